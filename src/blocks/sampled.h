/* The blocks that the sampler has taken from Python's allocators: they lie in a range of addresses of its own, in
 * spans that tell of themselves (src/wire/wire.h: struct wire_span). */
#ifndef CAULK_BLOCKS_SAMPLED_H
#define CAULK_BLOCKS_SAMPLED_H

#include "memory/image.h"

/* Spans begin at multiples of it. */
enum { SAMPLED_SPAN = 65536 };

typedef void (*sampled_visit)(void *context, remote_address address, uint64_t offset, uint64_t size);

/* Visits every used block, `size` bytes of it at `offset` of the image. O(image / 64 KiB + blocks); allocates nothing. */
void sampled_each_used(const struct image *image, sampled_visit visit, void *context);

#endif
