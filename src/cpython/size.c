/* How large an object is: one rule per builtin layout that allocates beside itself. */
#include "cpython/walk.h"

static uint64_t absolute_size(const struct walk *walk) {
    int64_t size = (int64_t)word_at(walk->bytes, walk->layout->object_size);
    return size < 0 ? 0 - (uint64_t)size : (uint64_t)size; /* of the least number too */
}

/* Objects/unicodeobject.c: unicode_sizeof_impl; what a subclass adds is not counted. */
static uint64_t text_size(const struct walk *walk) {
    const struct layout *layout = walk->layout;
    uint64_t length = word_at(walk->bytes, layout->text_length);
    uint32_t state = half_at(walk->bytes, layout->text_state);
    uint64_t kind = state >> layout->text_kind_shift & 7;
    if (state & layout->text_ascii_bit && state & layout->text_compact_bit)
        return layout->text_ascii_size + length + 1;
    bool compact = state & layout->text_compact_bit;
    uint64_t head = compact ? layout->text_compact_size : walk->type->walked_size;
    remote_address utf8 = model_word(walk->model, walk->object + layout->text_utf8);
    remote_address data = compact ? walk->object + layout->text_ascii_size
                                  : model_word(walk->model, walk->object + layout->text_data);
    uint64_t cached =
        utf8 && utf8 != data ? model_word(walk->model, walk->object + layout->text_utf8_length) + 1 : 0;
    return head + (length + 1) * kind + cached;
}

/* Objects/longobject.c: int___sizeof___impl; where it has a tag, subclasses count. */
static uint64_t long_size(const struct walk *walk) {
    const struct layout *layout = walk->layout;
    uint64_t extra = layout->long_tag == LAYOUT_NONE ? 0 : walk->type->basic_size - walk->type->walked_size;
    uint64_t digits = layout->long_tag == LAYOUT_NONE
                          ? absolute_size(walk)
                          : model_word(walk->model, walk->object + layout->long_tag) >> 3;
    if (digits < layout->long_least_digits)
        digits = layout->long_least_digits;
    return layout->long_digits + digits * layout->long_digit_size + extra;
}

/* Objects/dictobject.c: _PyDict_SizeOf; a shared keys table belongs to nobody in particular. */
static uint64_t dict_size(const struct walk *walk) {
    const struct layout *layout = walk->layout;
    struct dict_keys keys;
    uint64_t size = walk->type->basic_size;
    if (!walk_dict_keys(walk->model, word_at(walk->bytes, layout->dict_keys), &keys))
        return size;
    if (word_at(walk->bytes, layout->dict_values)) {
        remote_address address = word_at(walk->bytes, layout->dict_keys);
        uint64_t room = model_word(walk->model, address + layout->keys_usable);
        size += (layout->keys_size == LAYOUT_NONE ? keys.count + room : keys.usable) * 8;
    }
    return size + (keys.refcount == 1 ? keys.size : 0);
}

static uint64_t set_size(const struct walk *walk) {
    uint64_t size = walk->type->basic_size;
    if (word_at(walk->bytes, walk->layout->set_table) != walk->object + walk->layout->set_small_table)
        size += (word_at(walk->bytes, walk->layout->set_mask) + 1) * 16;
    return size;
}

static uint64_t type_object_size(const struct walk *walk) {
    const struct layout *layout = walk->layout;
    if (!(word_at(walk->bytes, layout->type_flags) & TPFLAGS_HEAPTYPE))
        return layout->type_size;
    struct dict_keys keys;
    remote_address cached = model_word(walk->model, walk->object + layout->heap_type_cached_keys);
    uint32_t size = walk->type->basic_size > layout->heap_type_size ? walk->type->basic_size : layout->heap_type_size;
    return size + (cached && walk_dict_keys(walk->model, cached, &keys) ? keys.size : 0);
}

static uint64_t frame_words(const struct walk *walk, remote_address frame) {
    const struct layout *layout = walk->layout;
    remote_address code = model_frame_code(walk->model, frame);
    return (uint64_t)walk_frame_locals(walk->model, frame, code) +
           model_half(walk->model, code + layout->code_stack_size);
}

/* Objects/frameobject.c: frame_sizeof. */
static uint64_t frame_size(const struct walk *walk) {
    const struct layout *layout = walk->layout;
    if (layout->frame_object_frame == LAYOUT_NONE)
        return layout->frame_localsplus + frame_words(walk, walk->object) * 8;
    remote_address frame = word_at(walk->bytes, layout->frame_object_frame);
    return layout->frame_object_data + layout->frame_localsplus + frame_words(walk, frame) * 8;
}

/* Objects/genobject.c: gen_sizeof. */
static uint64_t generator_size(const struct walk *walk) {
    const struct layout *layout = walk->layout;
    if (layout->generator_frame == LAYOUT_NONE)
        return walk->type->basic_size;
    uint64_t words = frame_words(walk, walk->object + layout->generator_frame);
    return layout->generator_frame + layout->frame_localsplus + words * 8;
}

/* Objects/codeobject.c: code_sizeof. */
static uint64_t code_size(const struct walk *walk) {
    const struct layout *layout = walk->layout;
    if (layout->code_byte_object == LAYOUT_NONE)
        return layout->code_bytes + absolute_size(walk) * 2;
    uint64_t size = layout->code_bytes;
    if (word_at(walk->bytes, layout->code_cell_arguments))
        size += model_word(walk->model, word_at(walk->bytes, layout->code_cell_names) + layout->object_size) * 8;
    if (!word_at(walk->bytes, layout->code_opcache))
        return size;
    remote_address bytes = word_at(walk->bytes, layout->code_byte_object);
    return size + model_word(walk->model, bytes + layout->object_size) / 2 +
           (uint64_t)walk->bytes[layout->code_opcache_size] * layout->code_opcache_entry_size;
}

static uint64_t deque_size(const struct walk *walk) {
    uint64_t items = word_at(walk->bytes, walk->layout->object_size), left = private_word(walk, DEQUE_LEFT_INDEX);
    uint64_t blocks = (left + items + DEQUE_BLOCK_ITEMS - 1) / DEQUE_BLOCK_ITEMS;
    return walk->type->basic_size + (blocks ? blocks : 1) * DEQUE_BLOCK_SIZE;
}

/* Objects/odictobject.c: odict_sizeof. */
static uint64_t ordered_dict_size(const struct walk *walk) {
    uint32_t behind = walk->layout->dict_values + 8;
    uint64_t fast = word_at(walk->bytes, behind + ODICT_FAST_NODES_SIZE);
    return dict_size(walk) + fast * 8 + word_at(walk->bytes, walk->layout->dict_used) * 32;
}

/* Modules/_elementtree.c: _elementtree_Element___sizeof___impl; four children lie in the extra block. */
static uint64_t element_size(const struct walk *walk) {
    enum { EXTRA_SIZE = 64, ALLOCATED = 16, INLINE_CHILDREN = 32 };
    remote_address extra = private_word(walk, ELEMENT_EXTRA);
    uint64_t size = walk->type->basic_size;
    if (!extra)
        return size;
    size += EXTRA_SIZE;
    if (model_word(walk->model, extra + ELEMENT_EXTRA_CHILDREN) != extra + INLINE_CHILDREN)
        size += model_word(walk->model, extra + ALLOCATED) * 8;
    return size;
}

/* Objects/bytearrayobject.c: bytearray_sizeof; a buffer that is a bytes object has a size of its own. */
static uint64_t bytearray_size(const struct walk *walk) {
    bool is_object = walk->layout->bytearray_bytes != LAYOUT_NONE;
    return walk->type->basic_size + (is_object ? 0 : word_at(walk->bytes, walk->layout->bytearray_allocated));
}

/* Modules/arraymodule.c: arrayobject {head, ob_item, allocated, ob_descr {typecode, itemsize}}. */
static uint64_t array_size(const struct walk *walk) {
    uint64_t allocated = private_word(walk, 32);
    uint64_t item_size = model_half(walk->model, private_word(walk, 40) + 4);
    return walk->type->basic_size + (item_size <= 16 ? allocated * item_size : 0);
}

/* Modules/mmapmodule.c: mmap_object {head, data, size}. The mapping is the object's, though getsizeof is
 * silent. */
static uint64_t mmap_size(const struct walk *walk) {
    return walk->type->basic_size + (private_word(walk, 16) ? private_word(walk, 24) : 0);
}

/* Modules/_io/bytesio.c: bytesio {head, buf, pos, string_size}; a buffer that is shared counts for its other
 * owner. */
static uint64_t bytes_io_size(const struct walk *walk) {
    return walk->type->basic_size;
}

static uint64_t own_size(const struct walk *walk) {
    const struct type_model *type = walk->type;
    switch (type->walker) {
    case WALK_TEXT: return text_size(walk);
    case WALK_LONG: return long_size(walk);
    case WALK_DICT: return dict_size(walk);
    case WALK_ORDERED_DICT: return ordered_dict_size(walk);
    case WALK_LIST: return type->basic_size + word_at(walk->bytes, walk->layout->list_allocated) * 8;
    case WALK_SET: return set_size(walk);
    case WALK_TYPE: return type_object_size(walk);
    case WALK_CODE: return code_size(walk);
    case WALK_FRAME: return frame_size(walk);
    case WALK_GENERATOR: return generator_size(walk);
    case WALK_DEQUE: return deque_size(walk);
    case WALK_ELEMENT: return element_size(walk);
    case WALK_BYTEARRAY: return bytearray_size(walk);
    case WALK_ARRAY: return array_size(walk);
    case WALK_NDARRAY: return ndarray_size(walk);
    case WALK_MMAP: return mmap_size(walk);
    case WALK_BYTES_IO: return bytes_io_size(walk);
    default: return type->basic_size + (type->item_size ? absolute_size(walk) * type->item_size : 0);
    }
}

/* Memory in front of the object, and attribute values apart from it. */
static uint64_t surroundings(const struct walk *walk) {
    const struct layout *layout = walk->layout;
    const struct type_model *type = walk->type;
    uint64_t size = type->managed_dict || type->managed_weakref ? layout->pre_header_size : 0;
    bool static_type =
        type->walker == WALK_TYPE && !(word_at(walk->bytes, layout->type_flags) & TPFLAGS_HEAPTYPE);
    if (type->collected && !static_type)
        size += layout->collector_head_size;
    if (type->inline_values) {
        remote_address values = walk->object + type->basic_size;
        const unsigned char *head = image_view(walk->model->image, values, layout->values_items);
        return size + (head ? layout->values_items + head[layout->values_capacity] * 8ull : 0);
    }
    remote_address values = 0;
    if (type->managed_dict && layout->managed_values != LAYOUT_NONE)
        values = model_word(walk->model, walk->object - layout->managed_values);
    else if (type->managed_dict && layout->managed_values_tagged != LAYOUT_NONE) {
        remote_address word = model_word(walk->model, walk->object - layout->managed_values_tagged);
        values = word & 1 ? word + 1 : 0;
    }
    if (values) {
        /* Objects/dictobject.c: new_values; a prefix of one word at least stands before the values */
        uint64_t usable = model_word(walk->model, type->cached_keys + layout->keys_usable) +
                          model_word(walk->model, type->cached_keys + layout->keys_entry_count);
        size += (usable < 64 ? (usable + 2 + 7) / 8 * 8 + usable * 8 : 0);
    }
    return size;
}

enum { SIZE_ABSURD_BITS = 46 };

uint64_t model_size(struct model *model, remote_address object, uint32_t type) {
    struct walk walk = {
        .model = model, .layout = model->layout, .type = model_type(model, type), .object = object};
    bool plain_type = walk.type->walker == WALK_TYPE && walk.type->basic_size == walk.type->walked_size;
    uint32_t needed = plain_type ? model->layout->type_size : walk.type->basic_size;
    if (walk.type->walker == WALK_TEXT) /* a compact one is shorter than its type says */
        needed = model->layout->text_ascii_size;
    if (walk.type->walker == WALK_LONG)
        needed = model->layout->long_digits;
    walk.bytes = image_view(model->image, object, needed);
    if (!walk.bytes)
        return walk.type->basic_size;
    uint64_t size = own_size(&walk) + described_size(&walk) + surroundings(&walk);
    return size >> SIZE_ABSURD_BITS ? walk.type->basic_size : size;
}

uint64_t model_static_size(struct model *model, remote_address object, uint32_t type) {
    const struct type_model *model_of = model_type(model, type);
    switch (model_of->walker) {
    case WALK_TYPE: return model->layout->type_size;
    case WALK_TEXT:
    case WALK_LONG:
    case WALK_CODE: return (model_size(model, object, type) + 7) & ~7ull;
    default: break;
    }
    int64_t items = model_of->item_size ? (int64_t)model_word(model, object + model->layout->object_size) : 0;
    uint64_t count = items < 0 ? 0 - (uint64_t)items : (uint64_t)items;
    return (model_of->basic_size + (count < 1 << 24 ? count * model_of->item_size : 0) + 7) & ~7ull;
}

static int64_t lru_cache_length(const struct walk *walk, int64_t *bound_out) {
    int64_t maxsize = (int64_t)private_word(walk, LRU_CACHE_MAXSIZE);
    *bound_out = maxsize < 0 ? -1 : maxsize;
    return (int64_t)model_word(walk->model, private_word(walk, LRU_CACHE_DICT) + walk->layout->dict_used);
}

int64_t model_length(struct model *model, remote_address object, uint32_t type, int64_t *bound_out) {
    struct walk walk = {
        .model = model, .layout = model->layout, .type = model_type(model, type), .object = object};
    *bound_out = -2;
    walk.bytes = image_view(model->image, object, walk.type->basic_size);
    if (!walk.bytes)
        return -1;
    switch (walk.type->walker) {
    case WALK_LIST: *bound_out = -1; return (int64_t)word_at(walk.bytes, model->layout->object_size);
    case WALK_TUPLE:
    case WALK_BYTES:
    case WALK_BYTEARRAY: return (int64_t)word_at(walk.bytes, model->layout->object_size);
    case WALK_DICT:
    case WALK_ORDERED_DICT: *bound_out = -1; return (int64_t)word_at(walk.bytes, model->layout->dict_used);
    case WALK_SET: *bound_out = -1; return (int64_t)word_at(walk.bytes, model->layout->set_used);
    case WALK_DEQUE:
        *bound_out = (int64_t)private_word(&walk, DEQUE_MAXLEN);
        return (int64_t)word_at(walk.bytes, model->layout->object_size);
    case WALK_LRU_CACHE: return lru_cache_length(&walk, bound_out);
    default: return -1;
    }
}
