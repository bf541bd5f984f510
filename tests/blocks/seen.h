/* The blocks that a walk of src/blocks has told of, in their order. */
#ifndef CAULK_TESTS_BLOCKS_SEEN_H
#define CAULK_TESTS_BLOCKS_SEEN_H

#include "memory/image.h"
#include "support/check.h"

enum { SEEN_MOST = 64 };

struct seen {
    uint64_t addresses[SEEN_MOST], sizes[SEEN_MOST];
    size_t count;
    const struct image *image;
    bool wrong_offset; /* of any: it is not where the image has that address */
};

/* An image of one piece. */
static inline struct image *seen_open(struct seen *seen, const struct image_bytes *piece) {
    struct image *image;
    struct error *error = image_from_bytes(piece, 1, &image);
    CHECK(!error);
    *seen = (struct seen){.image = image};
    return image;
}

/* For the walk; `context` is the struct seen. */
static inline void seen_block(void *context, remote_address address, uint64_t offset, uint64_t size) {
    struct seen *seen = context;
    seen->wrong_offset |= image_locate(seen->image, address) != offset;
    if (seen->count < SEEN_MOST) {
        seen->addresses[seen->count] = address;
        seen->sizes[seen->count] = size;
    }
    seen->count++;
}

#endif
