/* An image: a reserved range of pages and a two-level table from addresses to it. */
#include "memory/image.h"

#include "memory/image_storage.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { PAGE_BYTES = 1 << IMAGE_PAGE_BITS, LEAF_PAGES = 1 << IMAGE_LEAF_BITS, TOP_LEAVES = 1 << IMAGE_TOP_BITS };

static void *map_zeroed(size_t bytes) {
    void *mapping = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return mapping == MAP_FAILED ? NULL : mapping;
}

static bool image_read(const struct memory *memory, remote_address address, size_t size, void *out) {
    const struct image *image = (const struct image *)memory;
    const void *view = image_view(image, address, size);
    if (view) {
        memcpy(out, view, size);
        return true;
    }
    char *to = out;
    while (size) {
        size_t piece = PAGE_BYTES - address % PAGE_BYTES;
        if (piece > size)
            piece = size;
        uint64_t offset = image_locate(image, address);
        if (offset == IMAGE_ABSENT)
            return false;
        memcpy(to, image->base + offset, piece);
        to += piece;
        size -= piece;
        address += piece; /* past the last address it becomes 0, where no image has a page */
    }
    return true;
}

static void image_close(struct memory *memory) {
    struct image_storage *storage = (struct image_storage *)memory;
    for (size_t i = 0; i < storage->leaves.count; i++)
        munmap(vector_items(&storage->leaves, uint32_t *)[i], LEAF_PAGES * sizeof(uint32_t));
    if (storage->image.top)
        munmap(storage->image.top, TOP_LEAVES * sizeof(uint32_t *));
    if (storage->reserved)
        munmap((void *)storage->image.base, storage->reserved);
    vector_deinit(&storage->leaves);
    vector_deinit(&storage->runs);
    arena_deinit(&storage->arena);
    free(storage);
}

static const struct memory_operations image_operations = {image_read, image_close};

struct image_storage *image_storage_create(void) {
    struct arena arena = {0};
    struct image_storage *storage = calloc(1, sizeof *storage);
    if (!storage)
        arena_allocate(&arena, SIZE_MAX / 4, 1); /* ends the program, as running out of memory does */
    storage->image.memory.operations = &image_operations;
    return storage;
}

void image_storage_add_run(struct image_storage *storage, remote_address begin, remote_address end,
                           const struct memory_segment *segment) {
    struct image_run *run = vector_push(&storage->runs, struct image_run);
    *run = (struct image_run){begin, end, storage->image.length, segment};
    storage->image.length += end - begin;
}

static uint32_t *image_leaf(struct image_storage *storage, uint64_t gigabyte) {
    uint32_t **leaf = &storage->image.top[gigabyte];
    if (!*leaf && (*leaf = map_zeroed(LEAF_PAGES * sizeof(uint32_t))))
        *vector_push(&storage->leaves, uint32_t *) = *leaf;
    return *leaf;
}

static bool image_fill_run(struct image_storage *storage, const struct image_run *run) {
    uint64_t page = run->begin >> IMAGE_PAGE_BITS, end = run->end >> IMAGE_PAGE_BITS;
    uint64_t number = (run->offset >> IMAGE_PAGE_BITS) + 1;
    while (page < end) {
        uint32_t *leaf = image_leaf(storage, page >> IMAGE_LEAF_BITS);
        if (!leaf)
            return false;
        do
            leaf[page % LEAF_PAGES] = (uint32_t)number++;
        while (++page < end && page % LEAF_PAGES);
    }
    return true;
}

static struct error *image_no_room(const struct image_storage *storage) {
    return error_create(STATUS_INTERNAL, "reserving %llu MiB for the image: out of address space",
                        (unsigned long long)(storage->image.length >> 20));
}

struct error *image_storage_reserve(struct image_storage *storage) {
    struct image *image = &storage->image;
    image->runs = storage->runs.items;
    image->run_count = storage->runs.count;
    image->top = map_zeroed(TOP_LEAVES * sizeof(uint32_t *));
    if (!image->top || image->length >> IMAGE_PAGE_BITS >= UINT32_MAX)
        return image_no_room(storage);
    for (size_t i = 0; i < image->run_count; i++)
        if (!image_fill_run(storage, &image->runs[i]))
            return image_no_room(storage);
    if (image->length) {
        image->base = map_zeroed(image->length);
        if (!image->base)
            return image_no_room(storage);
        storage->reserved = image->length;
    }
    return NULL;
}

void image_storage_forget_page(struct image_storage *storage, remote_address address) {
    uint64_t page = address >> IMAGE_PAGE_BITS;
    uint32_t *leaf = storage->image.top[page >> IMAGE_LEAF_BITS];
    leaf[page % LEAF_PAGES] = 0;
}

remote_address image_address(const struct image *image, uint64_t offset) {
    size_t low = 0, high = image->run_count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (image->runs[middle].offset <= offset)
            low = middle;
        else
            high = middle;
    }
    return image->runs[low].begin + (offset - image->runs[low].offset);
}
