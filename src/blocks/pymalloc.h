/* The small blocks of pymalloc, CPython's allocator of up to 512 bytes: which are used, which are free.
 *
 * Arenas are cut into *pools* of one page (3.9) or four (3.10 and later), each with a header and blocks of one
 * size. A pool is known by its header alone: class of size, end and place of the next fresh block must agree
 * with each other and with the alignment of the pool, and they do in no other memory but by design. So neither
 * the table of arenas nor a symbol for it is needed, which no stripped build has and which moved with each
 * version (a static array in 3.9, a radix tree in 3.10, a part of the interpreter since 3.12). */
#ifndef CAULK_BLOCKS_PYMALLOC_H
#define CAULK_BLOCKS_PYMALLOC_H

#include "memory/image.h"

struct pymalloc_totals {
    uint64_t pools;
    uint64_t used_blocks, used_bytes;
    uint64_t free_bytes; /* in pools that are in use: free blocks and those never handed out */
};

/* A used block of `size` bytes at `address`, which is `offset` of the image. */
typedef void (*pymalloc_visit)(void *context, remote_address address, uint64_t offset, uint64_t size);

/* Visits every used block in the order of addresses. O(pages + blocks); allocates nothing. */
void pymalloc_each_used(const struct image *image, pymalloc_visit visit, void *context,
                        struct pymalloc_totals *out);

/* A pool of `size` bytes, `used` of them in blocks that are in use: 0 in one that was emptied. */
typedef void (*pymalloc_pool)(void *context, remote_address address, uint64_t size, uint64_t used);

/* Visits every pool that was ever used. O(pages); looks at headers only. */
void pymalloc_each_pool(const struct image *image, pymalloc_pool visit, void *context);

#endif
