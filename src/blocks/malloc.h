/* The blocks of glibc's malloc that may be in use: those of the main heap and those that are mapped by themselves.
 *
 * Python asks malloc for what is larger than pymalloc's 512 bytes, and smaller blocks are not told here. A block that
 * was freed a moment ago (tcache) looks as if it were in use: who reads one must see what it holds. */
#ifndef CAULK_BLOCKS_MALLOC_H
#define CAULK_BLOCKS_MALLOC_H

#include "memory/image.h"

/* All blocks, those of threads' arenas too, used and free ones, and the stretches that they lie in: a stretch before its
 * blocks, all in the order of addresses. What is left at the end of a heap is no block. */
struct malloc_walker {
    void *context;
    void (*region)(void *context, remote_address begin, remote_address end);
    void (*block)(void *context, remote_address address, uint64_t size, bool used);
};

void malloc_walk(const struct image *image, const struct malloc_walker *walker);

/* At least 64 bytes from `address` on are in the image, at `offset`. */
typedef void (*malloc_visit)(void *context, remote_address address, uint64_t offset, uint64_t size);

/* O(chunks + pages); allocates nothing. Arenas of threads are not walked. A heap whose chunks make no sense is left where they stop to do so. */
void malloc_each_large(const struct image *image, malloc_visit visit, void *context);

#endif
