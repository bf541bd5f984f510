/* Types of the standard library that own memory beside their objects; sizes and references by description. */
#include "cpython/described.h"

#include "cpython/walk.h"

#include <string.h>

/* Modules/_io/bufferedio.c: buffered {head, raw, ok, ..., buffer 56, ..., buffer_size 120}. */
static const struct described_field buffered[] = {{FIELD_BLOCK, 56, 120, 0, 1, 0, NULL}};

/* Modules/_io/stringio.c: stringio {head, buf 16, pos, string_size, buf_size 40}; characters of four bytes. */
static const struct described_field string_io[] = {{FIELD_BLOCK, 16, 40, 0, 4, 0, NULL}};

/* Modules/_struct.c: PyStructObject {head, s_size, s_len, s_codes 32}; formatcode has four words. */
static const struct described_field struct_codes[] = {{FIELD_RECORDS, 32, 0, 0, 32, 0, NULL}};

/* Modules/_pickle.c: PicklerObject {head, memo 16}; PyMemoTable {mask, used, allocated 16, table}. */
static const struct described_field pickler[] = {{FIELD_BEHIND, 16, 16, 0, 16, 32, NULL}};

/* Modules/_pickle.c: UnpicklerObject {head, stack, memo 24, memo_size 32, ..., input_line, ..., encoding, errors,
 * marks, num_marks, marks_size}. */
#define UNPICKLER(line, encoding)                                                                            \
    {FIELD_BLOCK, 24, 32, 0, 8, 0, NULL}, {FIELD_TEXT, line, 0, 0, 0, 0, NULL},                              \
        {FIELD_TEXT, encoding, 0, 0, 0, 0, NULL}, {FIELD_TEXT, encoding + 8, 0, 0, 0, 0, NULL},              \
    {                                                                                                        \
        FIELD_BLOCK, encoding + 16, encoding + 32, 0, 8, 0, NULL                                             \
    }
static const struct described_field unpickler_264[] = {UNPICKLER(144, 216)};
static const struct described_field unpickler_272[] = {UNPICKLER(152, 224)}; /* and of 280: one int more at the end */
static const struct described_field unpickler_296[] = {UNPICKLER(152, 240)};
static const struct described_field unpickler_304[] = {UNPICKLER(160, 248)};

/* Modules/itertoolsmodule.c: productobject {head, pools 16, indices 24}; combinationsobject and cwrobject {head,
 * pool, indices 24, result, r 40}; permutationsobject {head, pool 16, indices 24, cycles 32, result, r 48}. */
static const struct described_field product[] = {{FIELD_TUPLE_LONG, 24, 16, 0, 8, 0, NULL}};
static const struct described_field combinations[] = {{FIELD_BLOCK, 24, 40, 0, 8, 0, NULL}};
static const struct described_field permutations[] = {{FIELD_TUPLE_LONG, 24, 16, 0, 8, 0, NULL},
                                                      {FIELD_BLOCK, 32, 48, 0, 8, 0, NULL}};

/* Modules/_queuemodule.c: simplequeueobject {head, ..., RingBuf {put_idx, get_idx, items 40, items_cap 48}}. */
static const struct described_field simple_queue[] = {{FIELD_BLOCK, 40, 48, 0, 8, 0, NULL}};

/* Modules/_decimal/_decimal.c: PyDecObject {head, hash, mpd_t {flags, exp, digits, len, alloc 56, data 64}}. */
static const struct described_field decimal[] = {{FIELD_BLOCK, 64, 56, 0, 8, 0, NULL}};

/* Modules/_ctypes/ctypes.h: CDataObject {head, b_ptr 16, b_needsfree 24, b_base, b_size 40}. */
static const struct described_field c_data[] = {{FIELD_BLOCK_IF, 16, 40, 24, 1, 0, NULL}};

/* Modules/_ctypes/ctypes.h: StgDictObject and StgInfo {..., length, ffi_type_pointer {..., elements}, ..., format,
 * ndim, shape}; the info lies in the type object behind what `type` has. */
#define STORAGE(length, elements, format, dimensions)                                                        \
    {FIELD_BLOCK, elements, length, 0, 8, 8, NULL}, {FIELD_TEXT, format, 0, 0, 0, 0, NULL}, {                \
        FIELD_BLOCK, dimensions + 8, dimensions, 0, 8, 0, NULL                                               \
    }
static const struct described_field storage_dict[] = {STORAGE(64, 88, 168, 176)};
static const struct described_field storage_1088[] = {STORAGE(952, 976, 1064, 1072)};
static const struct described_field storage_1120[] = {STORAGE(968, 992, 1088, 1096)};

/* numpy/core/include/numpy/ndarraytypes.h: PyArrayObject_fields {head, data, nd, dimensions, strides, base 48,
 * descr 56, flags, weakreflist, buffer info, mem_handler 88}; the last one since 1.22. The size is in size.c. */
static const struct described_field array[] = {{FIELD_OBJECT, 48, 0, 0, 0, 0, "base"},
                                               {FIELD_OBJECT, 56, 0, 0, 0, 0, "dtype"},
                                               {FIELD_OBJECT, 88, 0, 0, 0, 0, "mem_handler"}};
static const struct described_field old_array[] = {{FIELD_OBJECT, 48, 0, 0, 0, 0, "base"},
                                                   {FIELD_OBJECT, 56, 0, 0, 0, 0, "dtype"}};

#define DESCRIBED(name, size, fields) {name, size, false, fields, sizeof fields / sizeof *fields}
static const struct described_type builtin_types[] = {
    DESCRIBED("_io.BufferedReader", 0, buffered),
    DESCRIBED("_io.BufferedWriter", 0, buffered),
    DESCRIBED("_io.BufferedRandom", 0, buffered),
    DESCRIBED("_io.StringIO", 0, string_io),
    DESCRIBED("_struct.Struct", 0, struct_codes),
    DESCRIBED("_pickle.Pickler", 0, pickler),
    DESCRIBED("_pickle.Unpickler", 264, unpickler_264),
    DESCRIBED("_pickle.Unpickler", 272, unpickler_272),
    DESCRIBED("_pickle.Unpickler", 280, unpickler_272),
    DESCRIBED("_pickle.Unpickler", 296, unpickler_296),
    DESCRIBED("_pickle.Unpickler", 304, unpickler_304),
    DESCRIBED("itertools.product", 0, product),
    DESCRIBED("itertools.combinations", 0, combinations),
    DESCRIBED("itertools.combinations_with_replacement", 0, combinations),
    DESCRIBED("itertools.permutations", 0, permutations),
    DESCRIBED("_queue.SimpleQueue", 72, simple_queue),
    DESCRIBED("decimal.Decimal", 104, decimal),
    DESCRIBED("_ctypes._CData", 0, c_data),
    DESCRIBED("StgDict", 192, storage_dict),
    DESCRIBED("_ctypes.CType_Type", 1088, storage_1088),
    DESCRIBED("_ctypes.CType_Type", 1120, storage_1120),
    {"numpy.ndarray", 0, true, array, sizeof array / sizeof *array},
    {"numpy.ndarray", 0, true, old_array, sizeof old_array / sizeof *old_array},
};

static bool fits(const struct described_type *type, uint32_t basic_size) {
    if (type->basic_size && type->basic_size != basic_size)
        return false;
    for (uint32_t i = 0; i < type->field_count; i++) {
        const struct described_field *field = &type->fields[i];
        bool counts = field->kind == FIELD_OBJECTS || field->kind == FIELD_BLOCK ||
                      field->kind == FIELD_BLOCK_IF || field->kind == FIELD_TUPLE_LONG;
        if (field->offset + 8u > basic_size ||
            (counts && field->count != FIELD_NO_COUNT && field->count + 8u > basic_size) ||
            (field->kind == FIELD_BLOCK_IF && field->flag + 4u > basic_size))
            return false;
    }
    return true;
}

static const struct described_type *find_in(const struct described_type *types, size_t count, const char *name,
                                            uint32_t basic_size) {
    for (size_t i = 0; i < count; i++)
        if (strcmp(types[i].name, name) == 0 && fits(&types[i], basic_size))
            return &types[i];
    return NULL;
}

const struct described_type *described_find(const struct described_types *users, const char *name,
                                            uint32_t basic_size) {
    const struct described_type *found = users ? find_in(users->types, users->count, name, basic_size) : NULL;
    return found ? found
                 : find_in(builtin_types, sizeof builtin_types / sizeof *builtin_types, name, basic_size);
}

/* --- sizes --- */

enum { TEXT_MOST = 1 << 20, RECORDS_MOST = 1 << 16, COUNT_MOST_BITS = 40 };

static uint64_t text_bytes(const struct walk *walk, remote_address text) {
    for (uint64_t length = 0; length < TEXT_MOST; length++) {
        const char *character = image_view(walk->model->image, text + length, 1);
        if (!character)
            return 0;
        if (!*character)
            return length + 1;
    }
    return 0;
}

static uint64_t record_bytes(const struct walk *walk, remote_address record, uint32_t size) {
    for (uint64_t count = 1; count <= RECORDS_MOST; count++, record += size)
        if (!model_word(walk->model, record))
            return count * size;
    return 0;
}

static uint64_t count_of(const struct walk *walk, const struct described_field *field, remote_address block) {
    uint64_t count = 1;
    if (field->count == FIELD_NO_COUNT)
        return count;
    if (field->kind == FIELD_BEHIND)
        count = model_word(walk->model, block + field->count);
    else
        count = private_word(walk, field->count);
    if (field->kind == FIELD_TUPLE_LONG)
        count = model_word(walk->model, count + walk->layout->object_size);
    return count >> COUNT_MOST_BITS ? 0 : count;
}

/* The nodes of a list that is not longer than the image is large; `visitor` may be NULL. */
static uint64_t walk_nodes(const struct walk *walk, const struct described_field *field,
                           struct reference_visitor *visitor) {
    remote_address node = private_word(walk, field->offset);
    uint64_t count = 0, most = walk->model->image->length / 8;
    struct chain chain = {0};
    for (; node && count < most; count++) {
        if (chain_returns(&chain, node)) {
            walk->model->faults += visitor != NULL;
            break;
        }
        if (visitor)
            visit(visitor, model_word(walk->model, node + field->flag), REFERENCE_INDEX, label_index(count));
        node = model_word(walk->model, node + field->count);
    }
    return count;
}

static uint64_t block_bytes(const struct walk *walk, const struct described_field *field) {
    remote_address block = private_word(walk, field->offset);
    bool inside = block - walk->object < walk->type->basic_size; /* it points to room of its own */
    if (!block || inside)
        return 0;
    switch ((enum field_kind)field->kind) {
    case FIELD_OBJECT: return 0;
    case FIELD_LIST: return walk_nodes(walk, field, NULL) * field->more;
    case FIELD_TEXT: return text_bytes(walk, block);
    case FIELD_RECORDS: return record_bytes(walk, block, field->unit);
    case FIELD_BLOCK_IF:
        if (!half_at(walk->bytes, private_offset(walk->layout, field->flag)))
            return 0;
        break;
    case FIELD_OBJECTS:
    case FIELD_BLOCK:
    case FIELD_TUPLE_LONG:
    case FIELD_BEHIND: break;
    }
    return count_of(walk, field, block) * field->unit + field->more;
}

uint64_t described_size(const struct walk *walk) {
    const struct described_type *described = walk->type->described;
    uint64_t size = 0;
    for (uint32_t i = 0; described && i < described->field_count; i++)
        size += block_bytes(walk, &described->fields[i]);
    return size;
}

/* --- references --- */

static void walk_array(const struct walk *walk, const struct described_field *field) {
    remote_address items = private_word(walk, field->offset);
    uint64_t count = items ? count_of(walk, field, items) : 0;
    const void *words = count && count <= walk->model->image->length / 8
                            ? image_view(walk->model->image, items, count * 8)
                            : NULL;
    for (uint64_t i = 0; words && i < count; i++)
        visit(walk->visitor, word_at(words, i * 8), REFERENCE_INDEX, label_index(i));
    walk->model->faults += count && !words;
}

void walk_described(const struct walk *walk) {
    const struct described_type *described = walk->type->described;
    for (uint32_t i = 0; i < described->field_count; i++) {
        const struct described_field *field = &described->fields[i];
        switch ((enum field_kind)field->kind) {
        case FIELD_OBJECT: walk_field(walk, private_offset(walk->layout, field->offset), REFERENCE_SLOT, field->name); break;
        case FIELD_OBJECTS: walk_array(walk, field); break;
        case FIELD_LIST: walk_nodes(walk, field, walk->visitor); break;
        default: break;
        }
    }
}
