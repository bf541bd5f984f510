/* Counts of references that no single word tells: biased, deferred, and those that each thread keeps for itself. */
#include "cpython/refcount.h"

#include "cpython/walk.h"

/* Objects/object.c: _PyObject_SetDeferredRefcount; what the count of an object that only the collector may free has
 * been raised by. */
static int64_t deferred_surplus(const struct layout *layout, int64_t local, int64_t shared) {
    if (layout->object_deferred_local)
        return local + shared > 1 ? layout->object_deferred_local : 0;
    int64_t surplus = INT64_MAX / 8; /* Include/internal/pycore_object.h: _Py_REF_DEFERRED */
    return shared > surplus / 2 ? surplus : 0;
}

/* Include/object.h: the owning thread counts by itself, all others together above two bits of flags. */
uint32_t refcount_biased(const struct layout *layout, const void *head) {
    enum { FLAG_BITS = 2 };
    uint32_t local = half_at(head, layout->object_refcount_local);
    if (local == UINT32_MAX)
        return UINT32_MAX;
    int64_t shared = (int64_t)word_at(head, layout->object_refcount_shared) >> FLAG_BITS;
    int64_t count = local + shared;
    if (((const unsigned char *)head)[layout->object_gc_bits] & layout->object_deferred_bit)
        count -= deferred_surplus(layout, local, shared);
    return count <= 0 || count > INT32_MAX ? 0 : (uint32_t)count;
}

bool refcount_is_deferred(const struct model *model, remote_address object) {
    const struct layout *layout = model->layout;
    if (layout->object_gc_bits == LAYOUT_NONE)
        return false;
    const unsigned char *head = image_view(model->image, object, layout->object_head);
    return head && head[layout->object_gc_bits] & layout->object_deferred_bit;
}

/* Include/internal/pycore_uniqueid.h: the number of an object that threads count apart, 0 if it has none. */
static uint64_t unique_id(const struct model *model, remote_address object, enum walker walker) {
    enum { DICT_UNIQUE_ID_SHIFT = 32 };
    const struct layout *layout = model->layout;
    switch (walker) {
    case WALK_TYPE:
        return model_word(model, object + layout->type_flags) & TPFLAGS_HEAPTYPE
                   ? model_word(model, object + layout->heap_type_unique_id)
                   : 0;
    case WALK_CODE: return model_word(model, object + layout->code_unique_id);
    case WALK_DICT: return model_word(model, object + layout->dict_unique_id) >> DICT_UNIQUE_ID_SHIFT;
    default: return 0;
    }
}

static int64_t count_of_threads(const struct model *model, remote_address interpreter, uint64_t id) {
    const struct layout *layout = model->layout;
    remote_address thread = model_word(model, interpreter + layout->interpreter_threads);
    int64_t count = 0;
    struct chain chain = {0};
    while (thread && !chain_returns(&chain, thread)) {
        if (id <= model_word(model, thread + layout->thread_counts_size))
            count += (int64_t)model_word(model, model_word(model, thread + layout->thread_counts) + (id - 1) * 8);
        thread = model_word(model, thread + layout->thread_next);
    }
    return count;
}

int64_t refcount_of_threads(const struct model *model, remote_address object, enum walker walker) {
    if (model->layout->thread_counts == LAYOUT_NONE || !refcount_is_deferred(model, object))
        return 0;
    uint64_t id = unique_id(model, object, walker);
    int64_t count = 0;
    for (size_t i = 0; id && id < UINT32_MAX && i < model->process.interpreter_count; i++)
        count += count_of_threads(model, model->process.interpreters[i], id);
    return count;
}
