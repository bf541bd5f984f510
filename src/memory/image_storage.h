/* How an image is put together; only for the files that make images. */
#ifndef CAULK_MEMORY_IMAGE_STORAGE_H
#define CAULK_MEMORY_IMAGE_STORAGE_H

#include "base/arena.h"
#include "base/vector.h"
#include "memory/image.h"

struct image_storage {
    struct image image;  /* first: an image is its storage */
    struct arena arena;  /* segments and their paths */
    struct vector runs;  /* struct image_run */
    struct vector leaves; /* uint32_t *, to give them back */
    uint64_t reserved;   /* bytes of the range */
};

/* A new, empty image over nothing. */
struct image_storage *image_storage_create(void);

/* Appends the pages [begin, end) of `segment`, behind what is there; begins must ascend. */
void image_storage_add_run(struct image_storage *storage, remote_address begin, remote_address end,
                           const struct memory_segment *segment);

/* All runs are there: reserves the range and fills the page tables. */
struct error *image_storage_reserve(struct image_storage *storage);

/* The image has no page at `address` after all. */
void image_storage_forget_page(struct image_storage *storage, remote_address address);

#endif
