/* An array that grows, outside any arena, for lists whose length nobody knows beforehand. */
#ifndef CAULK_BASE_VECTOR_H
#define CAULK_BASE_VECTOR_H

#include <stddef.h>

/* All zeros is an empty vector of an item size that the first push tells. */
struct vector {
    void *items;
    size_t count;
    size_t capacity;
    size_t item_size;
};

/* Adds one zeroed item and returns it; valid until the next push. Growth doubles by remapping, so that a
 * large vector is not copied. Ends the program when memory is out, like an arena. */
void *vector_push_item(struct vector *vector, size_t item_size);

/* Room for `count` items in all, without changing the count. */
void vector_reserve(struct vector *vector, size_t item_size, size_t count);
void vector_deinit(struct vector *vector);

#define vector_push(vector, type) ((type *)vector_push_item((vector), sizeof(type)))
#define vector_items(vector, type) ((type *)(vector)->items)

#endif
