/* Containers: dict, list, tuple, set, deque, OrderedDict, lru_cache, Element. */
#include "cpython/walk.h"

/* No list or table has more items than the image has words; a larger count is garbage. */
static uint64_t most_items(const struct walk *walk) {
    return walk->model->image->length / 8;
}

static void visit_items(const struct walk *walk, remote_address items, uint64_t count,
                        enum reference_kind kind) {
    if (count == 0)
        return;
    const void *bytes = count > most_items(walk) ? NULL : image_view(walk->model->image, items, count * 8);
    for (uint64_t i = 0; bytes && i < count; i++)
        visit(walk->visitor, word_at(bytes, i * 8), kind, label_index(i));
    if (!bytes)
        walk->model->faults++;
}

void walk_list(const struct walk *walk) {
    visit_items(walk, word_at(walk->bytes, walk->layout->list_items), word_at(walk->bytes, walk->layout->object_size),
                REFERENCE_INDEX);
}

void walk_tuple(const struct walk *walk) {
    visit_items(walk, walk->object + walk->layout->tuple_items, word_at(walk->bytes, walk->layout->object_size),
                REFERENCE_INDEX);
}

/* Objects/setobject.c: setentry is {key, hash}; the dummy of a removed entry is an immortal object of its
 * own. */
void walk_set(const struct walk *walk) {
    uint64_t slots = word_at(walk->bytes, walk->layout->set_mask) + 1;
    const void *table =
        slots > most_items(walk)
            ? NULL
            : image_view(walk->model->image, word_at(walk->bytes, walk->layout->set_table), slots * 16);
    if (!table)
        walk->model->faults++;
    for (uint64_t i = 0; table && i < slots; i++) {
        bool dummy = word_at(table, i * 16 + 8) == UINT64_MAX; /* set_discard_entry: hash -1 */
        if (!dummy)
            visit(walk->visitor, word_at(table, i * 16), REFERENCE_INDEX, label_index(i));
    }
}

/* How many places the hash table has, and the bytes of its indices. */
static bool read_table_size(const struct layout *layout, const unsigned char *head, uint64_t *size_out,
                            uint64_t *index_bytes_out) {
    enum { LOG2_SIZE_MAX = 40, LOG2_INDEX_BYTES_MAX = 43 };
    if (layout->keys_size != LAYOUT_NONE) {
        uint64_t size = word_at(head, layout->keys_size);
        unsigned width = size <= 0xff ? 1 : size <= 0xffff ? 2 : size <= UINT32_MAX ? 4 : 8; /* DK_IXSIZE */
        *size_out = size;
        *index_bytes_out = size * width;
        return size <= 1ull << LOG2_SIZE_MAX;
    }
    if (head[layout->keys_log2_size] > LOG2_SIZE_MAX ||
        head[layout->keys_log2_index_bytes] > LOG2_INDEX_BYTES_MAX)
        return false;
    *size_out = 1ull << head[layout->keys_log2_size];
    *index_bytes_out = 1ull << head[layout->keys_log2_index_bytes];
    return true;
}

bool walk_dict_keys(const struct model *model, remote_address keys, struct dict_keys *out) {
    const struct layout *layout = model->layout;
    const unsigned char *head = keys ? image_view(model->image, keys, layout->keys_indices) : NULL;
    uint64_t size, index_bytes;
    if (!head || !read_table_size(layout, head, &size, &index_bytes))
        return false;
    out->kind = layout->keys_kind == LAYOUT_NONE ? 0 : head[layout->keys_kind];
    out->count = word_at(head, layout->keys_entry_count);
    if (out->kind > 2 || out->count > size)
        return false;
    out->entry_size = out->kind == 0 ? 24 : 16;
    out->refcount = word_at(head, 0);
    out->usable = size * 2 / 3; /* USABLE_FRACTION */
    out->size = layout->keys_indices + index_bytes + out->usable * out->entry_size;
    out->entries = image_view(model->image, keys + layout->keys_indices + index_bytes,
                              out->count ? out->count * out->entry_size : 1);
    return out->entries != NULL;
}

/* A split table's values lie apart; when they are embedded in an instance, that instance owns them
 * (Objects/dictobject.c: dict_traverse). Its keys belong to the type. */
static void walk_split_values(const struct walk *walk, const struct dict_keys *keys, remote_address values) {
    const unsigned char *head = image_view(walk->model->image, values, walk->layout->values_items + 8);
    if (!head || (walk->layout->values_valid != LAYOUT_NONE && head[walk->layout->values_valid - 1]))
        return;
    const void *items =
        image_view(walk->model->image, values + walk->layout->values_items, keys->count * 8 + 8);
    for (uint64_t i = 0; items && i < keys->count; i++)
        visit(walk->visitor, word_at(items, i * 8), REFERENCE_KEY, label_object(dict_keys_key(keys, i)));
}

/* The values of sys.modules are told by roots_visit under their names. */
static bool is_module_table(const struct model *model, remote_address dict) {
    for (size_t i = 0; i < model->process.interpreter_count; i++)
        if (model_word(model, model->process.interpreters[i] + model->layout->interpreter_modules) == dict)
            return true;
    return false;
}

static void walk_keys_only(const struct walk *walk, const struct dict_keys *keys) {
    for (uint64_t i = 0; i < keys->count; i++)
        if (dict_keys_value(keys, i))
            visit(walk->visitor, dict_keys_key(keys, i), REFERENCE_KEY_OBJECT, label_none());
}

void walk_dict(const struct walk *walk) {
    struct dict_keys keys;
    if (!walk_dict_keys(walk->model, word_at(walk->bytes, walk->layout->dict_keys), &keys)) {
        walk->model->faults++;
        return;
    }
    remote_address values = word_at(walk->bytes, walk->layout->dict_values);
    if (values) {
        walk_split_values(walk, &keys, values);
        return;
    }
    if (is_module_table(walk->model, walk->object)) {
        walk_keys_only(walk, &keys);
        return;
    }
    for (uint64_t i = 0; i < keys.count; i++) {
        remote_address value = dict_keys_value(&keys, i), key = dict_keys_key(&keys, i);
        if (!value)
            continue;
        visit(walk->visitor, value, REFERENCE_KEY, label_object(key));
        visit(walk->visitor, key, REFERENCE_KEY_OBJECT, label_none());
    }
}

static remote_address split_value(const struct model *model, remote_address values, uint64_t i) {
    return model_word(model, values + model->layout->values_items + i * 8);
}

void model_dict_each(struct model *model, remote_address dict, model_dict_entry entry, void *context) {
    const unsigned char *bytes = image_view(model->image, dict, model->layout->dict_values + 8);
    struct dict_keys keys;
    if (!bytes || !walk_dict_keys(model, word_at(bytes, model->layout->dict_keys), &keys))
        return;
    remote_address values = word_at(bytes, model->layout->dict_values);
    for (uint64_t i = 0; i < keys.count; i++) {
        struct dict_entry found = {dict_keys_key(&keys, i), 0, (int64_t)i};
        found.value = values ? split_value(model, values, i) : dict_keys_value(&keys, i);
        if (found.value && found.key && !entry(context, &found))
            return;
    }
}

void walk_deque(const struct walk *walk) {
    uint64_t left = private_word(walk, DEQUE_LEFT_INDEX), count = word_at(walk->bytes, walk->layout->object_size);
    remote_address block = private_word(walk, DEQUE_LEFT_BLOCK);
    if (left >= DEQUE_BLOCK_ITEMS || count > most_items(walk)) {
        walk->model->faults++;
        return;
    }
    struct chain chain = {0};
    for (uint64_t i = 0; i < count;) {
        const void *bytes = image_view(walk->model->image, block, DEQUE_BLOCK_SIZE);
        if (!bytes || chain_returns(&chain, block)) {
            walk->model->faults++;
            return;
        }
        for (; left < DEQUE_BLOCK_ITEMS && i < count; left++, i++)
            visit(walk->visitor, word_at(bytes, DEQUE_BLOCK_DATA + left * 8), REFERENCE_INDEX,
                  label_index(i));
        left = 0;
        block = word_at(bytes, DEQUE_BLOCK_RIGHT);
    }
}

/* Each node of the order holds its key once more (Objects/odictobject.c: odict_traverse). */
void walk_ordered_dict(const struct walk *walk) {
    walk_dict(walk);
    uint32_t behind = walk->layout->dict_values + 8;
    uint64_t left = word_at(walk->bytes, walk->layout->dict_used);
    if (left > most_items(walk))
        left = 0;
    remote_address node = word_at(walk->bytes, behind + ODICT_FIRST);
    struct chain chain = {0};
    for (; node && left > 0; left--) {
        if (chain_returns(&chain, node)) {
            walk->model->faults++;
            break;
        }
        visit(walk->visitor, model_word(walk->model, node + ODICT_NODE_KEY), REFERENCE_KEY_OBJECT,
              label_none());
        node = model_word(walk->model, node + ODICT_NODE_NEXT);
    }
}

/* A bounded cache's ring holds its links once more than the dict (lru_cache_tp_traverse). */
static void walk_lru_ring(const struct walk *walk) {
    uint64_t left = model_word(walk->model, private_word(walk, LRU_CACHE_DICT) + walk->layout->dict_used);
    remote_address link = private_word(walk, LRU_LINK_NEXT);
    struct chain chain = {0};
    for (uint64_t i = 0; i < left && left <= most_items(walk) && link && link != walk->object; i++) {
        if (chain_returns(&chain, link)) {
            walk->model->faults++;
            return;
        }
        visit(walk->visitor, link, REFERENCE_INDEX, label_index(i));
        link = model_word(walk->model, link + private_offset(walk->layout, LRU_LINK_NEXT));
    }
}

void walk_lru_cache(const struct walk *walk) {
    walk_lru_ring(walk);
    walk_field(walk, private_offset(walk->layout, LRU_CACHE_DICT), REFERENCE_SLOT, "cache");
    walk_field(walk, private_offset(walk->layout, LRU_CACHE_FUNCTION), REFERENCE_SLOT, "__wrapped__");
    walk_words(walk, private_offset(walk->layout, LRU_CACHE_OTHERS), walk->type->walked_size);
}

void walk_lru_link(const struct walk *walk) {
    walk_field(walk, private_offset(walk->layout, LRU_LINK_KEY), REFERENCE_SLOT, "key");
    walk_field(walk, private_offset(walk->layout, LRU_LINK_RESULT), REFERENCE_SLOT, "result");
}

/* Modules/_elementtree.c: text and tail carry a join flag in bit 0; children lie in an `extra` block. */
void walk_element(const struct walk *walk) {
    walk_field(walk, private_offset(walk->layout, ELEMENT_TAG), REFERENCE_SLOT, "tag");
    visit(walk->visitor, private_word(walk, ELEMENT_TEXT) & ~1ull, REFERENCE_SLOT, label_text("text"));
    visit(walk->visitor, private_word(walk, ELEMENT_TAIL) & ~1ull, REFERENCE_SLOT, label_text("tail"));
    remote_address extra = private_word(walk, ELEMENT_EXTRA);
    const void *bytes = extra ? image_view(walk->model->image, extra, ELEMENT_EXTRA_CHILDREN + 8) : NULL;
    if (!bytes)
        return;
    visit(walk->visitor, word_at(bytes, ELEMENT_EXTRA_ATTRIBUTES), REFERENCE_SLOT, label_text("attrib"));
    visit_items(walk, word_at(bytes, ELEMENT_EXTRA_CHILDREN), word_at(bytes, ELEMENT_EXTRA_LENGTH),
                REFERENCE_INDEX);
}
