/* One switch over the builtin layouts, and what every instance has beside its builtin part. */
#include "cpython/walk.h"

static void walk_cell(const struct walk *walk) {
    walk_field(walk, walk->layout->cell_contents, REFERENCE_CELL, "cell_contents");
}

static void walk_method(const struct walk *walk) {
    walk_field(walk, walk->layout->method_function, REFERENCE_SLOT, "__func__");
    walk_field(walk, walk->layout->method_self, REFERENCE_SLOT, "__self__");
}

/* wr_object and the list links are borrowed (Objects/weakrefobject.c). */
static void walk_weakref(const struct walk *walk) {
    walk_field(walk, walk->layout->weakref_callback, REFERENCE_SLOT, "__callback__");
}

static void walk_managed_buffer(const struct walk *walk) {
    walk_field(walk, walk->layout->managed_buffer_object, REFERENCE_SLOT, "obj");
}

/* view.obj is the managed buffer's own reference (Objects/memoryobject.c: init_shared_values). */
static void walk_memoryview(const struct walk *walk) {
    walk_field(walk, walk->layout->memoryview_buffer, REFERENCE_SLOT, "obj");
}

/* Objects/bytearrayobject.c of 3.15: the buffer is a bytes object of its own. */
static void walk_bytearray(const struct walk *walk) {
    walk_field(walk, walk->layout->bytearray_bytes, REFERENCE_SLOT, "buffer");
}

static void walk_builtin_part(const struct walk *walk) {
    switch (walk->type->walker) {
    case WALK_DICT: walk_dict(walk); break;
    case WALK_LIST: walk_list(walk); break;
    case WALK_TUPLE: walk_tuple(walk); break;
    case WALK_SET: walk_set(walk); break;
    case WALK_TYPE: walk_type(walk); break;
    case WALK_FUNCTION: walk_function(walk); break;
    case WALK_CODE: walk_code(walk); break;
    case WALK_FRAME: walk_frame_object(walk); break;
    case WALK_GENERATOR: walk_generator(walk); break;
    case WALK_TRACEBACK: walk_traceback(walk); break;
    case WALK_MODULE: walk_module(walk); break;
    case WALK_CELL: walk_cell(walk); break;
    case WALK_METHOD: walk_method(walk); break;
    case WALK_WEAKREF: walk_weakref(walk); break;
    case WALK_MANAGED_BUFFER: walk_managed_buffer(walk); break;
    case WALK_MEMORYVIEW: walk_memoryview(walk); break;
    case WALK_BYTEARRAY: walk_bytearray(walk); break;
    case WALK_DEQUE: walk_deque(walk); break;
    case WALK_ORDERED_DICT: walk_ordered_dict(walk); break;
    case WALK_LRU_CACHE: walk_lru_cache(walk); break;
    case WALK_LRU_LINK: walk_lru_link(walk); break;
    case WALK_ELEMENT: walk_element(walk); break;
    case WALK_GREENLET: walk_greenlet(walk); break;
    case WALK_NDARRAY: walk_ndarray(walk); break; /* its fields are described */
    case WALK_ARRAY:
    case WALK_BYTES_IO:
    case WALK_MMAP: walk_words(walk, walk->layout->object_head, walk->type->walked_size); break;
    case WALK_OBJECT:
    case WALK_WORDS:
    case WALK_LEAF:
    case WALK_TEXT:
    case WALK_LONG:
    case WALK_BYTES:
    case WALKER_COUNT: break;
    }
}

static const struct named_word *find_word(const struct type_model *type, uint32_t offset) {
    uint32_t low = 0, high = type->word_count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (type->words[middle].offset < offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low < type->word_count && type->words[low].offset == offset ? &type->words[low] : NULL;
}

static void visit_word(const struct walk *walk, remote_address target, const struct named_word *word) {
    struct reference_label label = !word          ? label_none()
                                   : word->text   ? label_text(word->text)
                                                  : (struct reference_label){LABEL_REMOTE_TEXT, word->name};
    if (!word || !word->borrowed)
        visit(walk->visitor, target, word && word->slots ? REFERENCE_ATTRIBUTE : REFERENCE_SLOT, label);
}

static void walk_named_words(const struct walk *walk, uint32_t begin, uint32_t end) {
    for (uint32_t i = 0; i < walk->type->word_count; i++) {
        const struct named_word *word = &walk->type->words[i];
        if (word->offset >= begin && word->offset < end && word->offset + 8 <= end)
            visit_word(walk, word_at(walk->bytes, word->offset), word);
    }
}

/* A pointer to the object itself is never counted: C code would wait for ever for the last reference. */
void walk_words(const struct walk *walk, uint32_t begin, uint32_t end) {
    if (walk->type->words_are_all) {
        walk_named_words(walk, begin, end);
        return;
    }
    for (uint32_t offset = begin; offset + 8 <= end; offset += 8) {
        remote_address target = word_at(walk->bytes, offset);
        if (target && target % 8 == 0 && target != walk->object && offset != walk->type->weaklist_offset &&
            (int32_t)offset != walk->type->dict_offset)
            visit_word(walk, target, find_word(walk->type, offset));
    }
}

/* Objects/structseq.c: a tuple of C, with more items behind those that its length counts. */
static void walk_structure_sequence(const struct walk *walk) {
    uint32_t behind = walk->layout->tuple_items + (uint32_t)word_at(walk->bytes, walk->layout->object_size) * 8;
    for (uint32_t offset = behind; offset + 8 <= walk->type->sequence_size; offset += 8)
        visit_word(walk, model_word(walk->model, walk->object + offset), find_word(walk->type, offset));
}

static void walk_items(const struct walk *walk) {
    uint64_t count = word_at(walk->bytes, walk->layout->object_size);
    const void *items =
        count < 1 << 28 ? image_view(walk->model->image, walk->object + walk->type->basic_size, count * 8) : NULL;
    for (uint64_t i = 0; items && i < count; i++)
        visit(walk->visitor, word_at(items, i * 8), REFERENCE_INDEX, label_index(i));
}

/* Objects/object.c: _PyObject_ComputedDictPointer; a negative offset counts from the end of the items. */
static remote_address find_dict_slot(const struct walk *walk) {
    int64_t offset = walk->type->dict_offset;
    if (offset < 0) {
        int64_t items = (int64_t)word_at(walk->bytes, walk->layout->object_size);
        if (walk->layout->long_tag != LAYOUT_NONE && walk->type->walker == WALK_LONG)
            items = (int64_t)(word_at(walk->bytes, walk->layout->long_tag) >> 3);
        uint64_t count = items < 0 ? 0 - (uint64_t)items : (uint64_t)items;
        if (count > 1ull << 32)
            return 0;
        offset += (int64_t)((walk->type->basic_size + count * walk->type->item_size + 7) & ~7ull);
    }
    return walk->object + (uint64_t)offset;
}

/* Attribute values in the order of the type's shared keys (Objects/dictobject.c: struct _dictvalues). */
static void walk_values(const struct walk *walk, remote_address values, uint64_t capacity) {
    struct dict_keys keys;
    if (!walk_dict_keys(walk->model, walk->type->cached_keys, &keys))
        return;
    uint64_t count = keys.count < capacity ? keys.count : capacity;
    const void *items = image_view(walk->model->image, values + walk->layout->values_items, count * 8 + 8);
    for (uint64_t i = 0; items && i < count; i++)
        visit(walk->visitor, word_at(items, i * 8), REFERENCE_ATTRIBUTE,
              label_object(dict_keys_key(&keys, i)));
}

static void walk_inline_values(const struct walk *walk) {
    remote_address values = walk->object + walk->type->basic_size;
    const unsigned char *head = image_view(walk->model->image, values, walk->layout->values_items);
    if (head && head[walk->layout->values_valid])
        walk_values(walk, values, head[walk->layout->values_capacity]);
}

static void walk_managed_dict(const struct walk *walk) {
    const struct layout *layout = walk->layout;
    remote_address dict = 0, values = 0;
    if (layout->managed_values_tagged != LAYOUT_NONE) {
        dict = model_word(walk->model, walk->object - layout->managed_values_tagged);
        if (dict & 1) { /* Include/internal/pycore_object.h: PyDictOrValues */
            values = dict + 1;
            dict = 0;
        }
    } else {
        dict = model_word(walk->model, walk->object - layout->managed_dict);
        if (layout->managed_values != LAYOUT_NONE)
            values = model_word(walk->model, walk->object - layout->managed_values);
    }
    if (values)
        walk_values(walk, values, UINT32_MAX);
    visit(walk->visitor, dict, REFERENCE_NAMESPACE, label_text("__dict__"));
}

/* What a class adds to a type with items lies behind them: its __dict__, and in new versions __slots__ of tuples
 * (Objects/typeobject.c: type_new_slots; Python/structmember.c: _Py_AFTER_ITEMS). */
static void walk_words_behind_items(const struct walk *walk) {
    const struct type_model *type = walk->type;
    if (type->walker != WALK_TUPLE)
        return;
    uint64_t items = word_at(walk->bytes, walk->layout->object_size) * type->item_size;
    for (uint32_t i = 0; i < type->word_count; i++)
        if (type->words[i].slots && type->words[i].offset >= type->walked_size)
            visit_word(walk, model_word(walk->model, walk->object + type->words[i].offset + items), &type->words[i]);
}

void walk_instance(const struct walk *walk) {
    const struct type_model *type = walk->type;
    if (type->sequence_size)
        walk_structure_sequence(walk);
    else if (type->item_size && type->is_python_class && !type->is_metatype)
        walk_words_behind_items(walk);
    else if (type->basic_size > type->walked_size)
        walk_words(walk, type->walked_size, type->basic_size);
    if (type->beside)
        type->beside(walk);
    if (type->described && type->described->references)
        walk_described(walk);
    if (type->walker == WALK_OBJECT && type->item_size == 8 && !type->is_metatype && !type->words_are_all)
        walk_items(walk);
    if (type->inline_values)
        walk_inline_values(walk);
    if (type->managed_dict)
        walk_managed_dict(walk);
    else if (type->dict_offset && !type->is_metatype)
        visit(walk->visitor, model_word(walk->model, find_dict_slot(walk)), REFERENCE_NAMESPACE,
              label_text("__dict__"));
    if (type->heap_type)
        visit(walk->visitor, type->address, REFERENCE_TYPE, label_text("__class__"));
}

void model_walk(struct model *model, remote_address object, uint32_t type,
                struct reference_visitor *visitor) {
    struct walk walk = {.model = model,
                        .layout = model->layout,
                        .type = model_type(model, type),
                        .object = object,
                        .visitor = visitor};
    struct type_model local = *walk.type; /* the table may move while the walk learns new types */
    walk.type = &local;
    /* a static type is shorter than its metatype says */
    bool plain_type = local.walker == WALK_TYPE && local.basic_size == local.walked_size;
    uint32_t size = plain_type ? model->layout->type_size : local.basic_size;
    walk.bytes = image_view(model->image, object, size);
    if (!walk.bytes) {
        model->faults++;
        return;
    }
    if (object == model->interned)
        return;
    walk_builtin_part(&walk);
    if (local.walker != WALK_LEAF || local.heap_type)
        walk_instance(&walk);
}
