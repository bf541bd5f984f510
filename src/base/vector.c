/* Growing arrays on mapped memory; mremap moves pages instead of bytes. */
#include "base/vector.h"

#include "base/error.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void *grow_mapping(void *items, size_t old_bytes, size_t new_bytes) {
    void *mapping = items ? mremap(items, old_bytes, new_bytes, MREMAP_MAYMOVE)
                          : mmap(NULL, new_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapping == MAP_FAILED) {
        fprintf(stderr, "caulk: out of memory (%zu bytes were needed)\n", new_bytes);
        _exit(STATUS_INTERNAL);
    }
    return mapping;
}

static size_t mapping_bytes(size_t item_size, size_t count) {
    return (item_size * count + 4095) & ~(size_t)4095;
}

void vector_reserve(struct vector *vector, size_t item_size, size_t count) {
    vector->item_size = item_size;
    if (count <= vector->capacity)
        return;
    size_t capacity = vector->capacity ? vector->capacity : 4096 / item_size + 1;
    while (capacity < count)
        capacity *= 2;
    size_t bytes = mapping_bytes(item_size, capacity);
    vector->items = grow_mapping(vector->items, mapping_bytes(item_size, vector->capacity), bytes);
    vector->capacity = capacity;
}

void *vector_push_item(struct vector *vector, size_t item_size) {
    if (vector->count == vector->capacity)
        vector_reserve(vector, item_size, vector->count + 1);
    void *item = (char *)vector->items + vector->count++ * item_size;
    return memset(item, 0, item_size);
}

void vector_deinit(struct vector *vector) {
    if (vector->items)
        munmap(vector->items, mapping_bytes(vector->item_size, vector->capacity));
    *vector = (struct vector){0};
}
