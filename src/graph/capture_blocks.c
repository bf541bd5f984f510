/* Objects that nothing leads to: blocks of memory in use that no captured object covers. */
#include "blocks/malloc.h"
#include "blocks/pymalloc.h"
#include "blocks/sampled.h"
#include "graph/captured.h"

struct block_search {
    struct model *model;
    const struct granule_set *objects;
    captured_block_object found;
    void *context;
};

/* Whether one of the objects known begins in the granules from `first` on. */
static bool is_covered(const struct granule_set *objects, uint64_t first, uint64_t count) {
    for (uint64_t word = first >> 6; word <= (first + count - 1) >> 6; word++) {
        uint64_t mask = UINT64_MAX;
        if (word == first >> 6)
            mask <<= first & 63;
        if (word == (first + count - 1) >> 6)
            mask &= UINT64_MAX >> (63 - ((first + count - 1) & 63));
        if (objects->bits[word] & mask)
            return true;
    }
    return false;
}

/* What Python puts in front of an instance (Include/internal/pycore_object.h: _PyType_PreHeaderSize). */
static uint32_t front_of(const struct model *model, const struct type_model *type) {
    uint32_t front = type->collected ? GC_HEAD : 0;
    if ((type->managed_dict || type->managed_weakref) && model->layout->pre_header_size != LAYOUT_NONE)
        front += model->layout->pre_header_size;
    return front;
}

/* Whether an instance fits into `room` bytes; texts and numbers may be shorter than their types say. */
static bool fits(const struct model *model, const struct type_model *type, const void *bytes, uint64_t room) {
    uint64_t size = type->basic_size;
    if (type->walker == WALK_TEXT)
        size = model->layout->text_ascii_size;
    else if (type->walker == WALK_LONG)
        size = model->layout->long_digits;
    else if (type->walker == WALK_BYTES || type->walker == WALK_TUPLE) {
        uint64_t items = room > model->layout->object_size + 8 ? word_at(bytes, model->layout->object_size) : UINT64_MAX;
        size += items <= room ? items * type->item_size : UINT32_MAX;
    }
    return size <= room;
}

/* A type is an object itself, and a captured one by now; of other words nothing is asked. */
static bool is_object(const struct block_search *search, remote_address address, const void *bytes, uint32_t front,
                      uint64_t room) {
    enum { COUNT_MOST = 1 << 22 }; /* more are rather an address of a program at 4 MiB */
    struct model *model = search->model;
    uint32_t refcount = model_refcount(model->layout, bytes);
    remote_address type = word_at(bytes, model->layout->object_type);
    uint64_t offset = type % 8 ? IMAGE_ABSENT : image_locate(model->image, type);
    if (!refcount || refcount > COUNT_MOST || offset == IMAGE_ABSENT ||
        !granule_set_has(search->objects, (uint32_t)(offset >> 3)))
        return false;
    uint32_t index = model_find_type(model, type);
    if (index == MODEL_NOT_A_TYPE || address % 8)
        return false;
    const struct type_model *known = model_type(model, index);
    return front_of(model, known) == front && fits(model, known, bytes, room);
}

enum { FRONT_MOST = 32 };

static void look_at_block(void *context, remote_address address, uint64_t offset, uint64_t size) {
    const struct block_search *search = context;
    if (is_covered(search->objects, offset >> 3, (size > FRONT_MOST ? FRONT_MOST + 8 : size) >> 3))
        return;
    for (uint32_t front = 0; front <= FRONT_MOST && front + search->model->layout->object_head <= size; front += 16) {
        const void *bytes = search->model->image->base + offset + front;
        if (!is_object(search, address + front, bytes, front, size - front))
            continue;
        search->found(search->context, address + front, (uint32_t)((offset + front) >> 3));
        return;
    }
}

void captured_find_in_blocks(struct model *model, const struct granule_set *objects, captured_block_object found,
                             void *context) {
    struct block_search search = {model, objects, found, context};
    struct pymalloc_totals totals;
    pymalloc_each_used(model->image, look_at_block, &search, &totals);
    malloc_each_large(model->image, look_at_block, &search);
    sampled_each_used(model->image, look_at_block, &search);
}
