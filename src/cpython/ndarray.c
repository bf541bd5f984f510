/* Arrays of numpy: the data that one owns, and the objects in it. */
#include "cpython/walk.h"

/* numpy/core/include/numpy/ndarraytypes.h: PyArrayObject_fields {head, data, nd, dimensions, strides, base,
 * descr, flags}; PyArray_Descr {head, typeobj, kind}. */
enum {
    DATA = 16,
    DIMENSION_COUNT = 24,
    DIMENSIONS = 32,
    STRIDES = 40,
    DESCRIPTION = 56,
    FLAGS = 64,
    OWNS_DATA = 4,
    DIMENSIONS_MAX = 64,
    DESCRIPTION_KIND = 24,
};

/* Bytes from the first to the last item, 0 if the data is another array's. */
static uint64_t owned_data(const struct walk *walk) {
    uint32_t count = (uint32_t)private_word(walk, DIMENSION_COUNT);
    if (!((uint32_t)private_word(walk, FLAGS) & OWNS_DATA) || count > DIMENSIONS_MAX)
        return 0;
    uint64_t largest = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t extent = model_word(walk->model, private_word(walk, DIMENSIONS) + i * 8ull);
        uint64_t stride = model_word(walk->model, private_word(walk, STRIDES) + i * 8ull);
        uint64_t bytes = extent * (stride >> 63 ? 0 - stride : stride);
        if (!extent)
            return 0;
        largest = bytes > largest ? bytes : largest;
    }
    return largest;
}

uint64_t ndarray_size(const struct walk *walk) {
    uint32_t count = (uint32_t)private_word(walk, DIMENSION_COUNT);
    uint64_t data = owned_data(walk);
    return walk->type->basic_size + (data ? count * 16ull + data : 0);
}

/* Of an array of objects each word of the data is a reference. */
void walk_ndarray(const struct walk *walk) {
    remote_address kind = private_word(walk, DESCRIPTION) + walk->layout->object_head - OBJECT_HEAD + DESCRIPTION_KIND;
    const char *letter = image_view(walk->model->image, kind, 1);
    if (!letter || *letter != 'O')
        return;
    uint64_t size = owned_data(walk);
    const void *words = size && size <= walk->model->image->length
                            ? image_view(walk->model->image, private_word(walk, DATA), size)
                            : NULL;
    for (uint64_t offset = 0; words && offset + 8 <= size; offset += 8)
        visit(walk->visitor, word_at(words, offset), REFERENCE_INDEX, label_index(offset / 8));
}
