/* Types and modules: what classes and extension modules hold. */
#include "cpython/walk.h"

/* Where the dict and the subclasses of a type are: in the type, or per interpreter for static builtin ones.
 */
static void walk_type_tables(const struct walk *walk) {
    const struct layout *layout = walk->layout;
    uint32_t state = map_find(&walk->model->static_states, walk->object);
    if (state == MAP_ABSENT) {
        walk_field(walk, layout->type_dict, REFERENCE_NAMESPACE, "__dict__");
        walk_field(walk, layout->type_subclasses, REFERENCE_BASE, "__subclasses__");
        return;
    }
    remote_address table = vector_items(&walk->model->static_state_list, remote_address)[state];
    visit(walk->visitor, model_word(walk->model, table + layout->static_type_dict), REFERENCE_NAMESPACE,
          label_text("__dict__"));
    visit(walk->visitor, model_word(walk->model, table + layout->static_type_subclasses), REFERENCE_BASE,
          label_text("__subclasses__"));
}

/* The names of attributes in the order of inline values belong to the type (ht_cached_keys). */
static void walk_cached_keys(const struct walk *walk, remote_address address) {
    struct dict_keys keys;
    if (!address || !walk_dict_keys(walk->model, address, &keys))
        return;
    for (uint64_t i = 0; i < keys.count; i++)
        visit(walk->visitor, dict_keys_key(&keys, i), REFERENCE_KEY_OBJECT, label_none());
}

static void walk_heap_type(const struct walk *walk) {
    const struct layout *layout = walk->layout;
    const void *bytes = image_view(walk->model->image, walk->object, layout->heap_type_size);
    if (!bytes) {
        walk->model->faults++;
        return;
    }
    visit(walk->visitor, word_at(bytes, layout->heap_type_module), REFERENCE_SLOT, label_text("__module__"));
    visit(walk->visitor, word_at(bytes, layout->heap_type_name), REFERENCE_SLOT, label_text("__name__"));
    visit(walk->visitor, word_at(bytes, layout->heap_type_qualname), REFERENCE_SLOT,
          label_text("__qualname__"));
    visit(walk->visitor, word_at(bytes, layout->heap_type_slots), REFERENCE_SLOT, label_text("__slots__"));
    walk_cached_keys(walk, word_at(bytes, layout->heap_type_cached_keys));
}

/* Objects/typeobject.c: type_traverse, and the strong fields that it need not visit. */
void walk_type(const struct walk *walk) {
    const struct layout *layout = walk->layout;
    walk_type_tables(walk);
    walk_field(walk, layout->type_mro, REFERENCE_BASE, "__mro__");
    walk_field(walk, layout->type_bases, REFERENCE_BASE, "__bases__");
    walk_field(walk, layout->type_base, REFERENCE_BASE, "__base__");
    walk_field(walk, layout->type_cache, REFERENCE_BASE, NULL);
    if (word_at(walk->bytes, layout->type_flags) & TPFLAGS_HEAPTYPE)
        walk_heap_type(walk);
}

enum { MODULE_STATE_MAX = 1 << 16 };

static uint64_t state_size(const struct walk *walk) {
    const struct layout *layout = walk->layout;
    if (layout->module_state_size != LAYOUT_NONE)
        return word_at(walk->bytes, layout->module_state_size);
    remote_address definition = word_at(walk->bytes, layout->module_definition);
    return definition ? model_word(walk->model, definition + layout->definition_state_size) : 0;
}

/* The state of an extension module is a C structure of its own making: its words are scanned. */
void walk_module(const struct walk *walk) {
    const struct layout *layout = walk->layout;
    walk_field(walk, layout->module_name, REFERENCE_SLOT, NULL);
    remote_address state = word_at(walk->bytes, layout->module_state);
    uint64_t size = state ? state_size(walk) : 0;
    const void *words = size && size <= MODULE_STATE_MAX ? image_view(walk->model->image, state, size) : NULL;
    for (uint64_t offset = 0; words && offset + 8 <= size; offset += 8)
        visit(walk->visitor, word_at(words, offset), REFERENCE_SLOT, label_text("C state"));
}
