/* Our own copy of a process's memory: fast, immutable, independent of the target.
 *
 * Pages lie in one reserved address range of ours, in the order of their addresses in the target; small
 * holes between present pages of one segment are kept as zeros (an anonymous page that was never touched
 * *is* zero), so that an object that spans pages is contiguous. File pages are copied too: a file that
 * shrank under a mapping of ours would end us. The distance of a byte from the range's begin is its `offset`: dense enough to
 * index bitmaps by it. */
#ifndef CAULK_MEMORY_IMAGE_H
#define CAULK_MEMORY_IMAGE_H

#include "memory/memory.h"

#define IMAGE_ABSENT UINT64_MAX

enum {
    IMAGE_PAGE_BITS = 12,
    IMAGE_LEAF_BITS = 18, /* pages of 1 GiB */
    IMAGE_TOP_BITS = 17,  /* 47-bit user addresses */
};

struct image {
    struct memory memory;      /* first: an image is a memory */
    const unsigned char *base; /* of the reserved range */
    uint64_t length;           /* bytes of the range that are used, holes included */
    uint64_t copied;           /* bytes that were really copied */
    /* top[address >> 30] is NULL or a leaf; leaf[page in the GiB] is 1 + the page's number in the range, or
     * 0 where the image has nothing. */
    uint32_t **top;
    const struct image_run *runs; /* contiguous stretches, sorted both by address and by offset */
    size_t run_count;
};

struct image_run {
    remote_address begin, end;
    uint64_t offset;
    const struct memory_segment *segment;
};

/* Offset of `address` in the range, or IMAGE_ABSENT. O(1). */
static inline uint64_t image_locate(const struct image *image, remote_address address) {
    uint64_t page = address >> IMAGE_PAGE_BITS;
    uint64_t gigabyte = page >> IMAGE_LEAF_BITS;
    if (gigabyte >> IMAGE_TOP_BITS)
        return IMAGE_ABSENT;
    const uint32_t *leaf = image->top[gigabyte];
    if (!leaf)
        return IMAGE_ABSENT;
    uint64_t number = leaf[page & ((1u << IMAGE_LEAF_BITS) - 1)];
    if (!number)
        return IMAGE_ABSENT;
    return ((number - 1) << IMAGE_PAGE_BITS) | (address & ((1u << IMAGE_PAGE_BITS) - 1));
}

/* `size` contiguous bytes at `address`, valid as long as the image; NULL is a fault. O(1). */
static inline const void *image_view(const struct image *image, remote_address address, size_t size) {
    uint64_t offset = image_locate(image, address);
    if (offset == IMAGE_ABSENT)
        return NULL;
    uint64_t within = address & ((1u << IMAGE_PAGE_BITS) - 1);
    if (within + size > 1u << IMAGE_PAGE_BITS) {
        remote_address last;
        if (__builtin_add_overflow(address, size - 1, &last) ||
            image_locate(image, last) != offset + size - 1)
            return NULL;
    }
    return image->base + offset;
}

/* The address in the target of a byte of the range; `offset` must come from image_locate. O(log runs). */
remote_address image_address(const struct image *image, uint64_t offset);

/* A stretch of bytes for an image that a test makes of arrays. */
struct image_bytes {
    remote_address address; /* any; the image pads to pages with zeros */
    const void *bytes;
    size_t length;
    uint32_t flags;
    const char *path;
};

struct error *image_from_bytes(const struct image_bytes *pieces, size_t count, struct image **out);

/* Copies the present pages of process `pid` (a picture, or a target that stands still). `page_map_pid` is
 * the process whose page tables tell which pages are present: a picture does not inherit those of files. */
struct error *image_from_process(int pid, int page_map_pid, struct image **out);

#endif
