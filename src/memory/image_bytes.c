/* Images made of byte arrays: the memory of tests. */
#include "memory/image_storage.h"

#include <stdlib.h>
#include <string.h>

enum { PAGE_BYTES = 1 << IMAGE_PAGE_BITS };

static int compare_pieces(const void *left, const void *right) {
    const struct image_bytes *a = left, *b = right;
    return a->address < b->address ? -1 : a->address > b->address;
}

/* One segment for each piece, rounded to pages; of two pieces in a page the first has the page. */
static void add_segments(struct image_storage *storage, const struct image_bytes *pieces, size_t count) {
    struct memory_segment *segments = arena_new(&storage->arena, struct memory_segment, count + 1);
    size_t used = 0;
    remote_address last = 0;
    for (size_t i = 0; i < count; i++) {
        remote_address begin = pieces[i].address & ~(uint64_t)(PAGE_BYTES - 1);
        remote_address end = (pieces[i].address + pieces[i].length + PAGE_BYTES - 1) & ~(uint64_t)(PAGE_BYTES - 1);
        if (begin < last)
            begin = last;
        if (begin >= end)
            continue;
        const char *path = pieces[i].path ? pieces[i].path : "";
        segments[used] = (struct memory_segment){
            .begin = begin,
            .end = end,
            .flags = pieces[i].flags,
            .path = arena_copy_text(&storage->arena, path, strlen(path)),
        };
        image_storage_add_run(storage, begin, end, &segments[used++]);
        last = end;
    }
    storage->image.memory.segments = segments;
    storage->image.memory.segment_count = used;
}

static void copy_pieces(struct image_storage *storage, const struct image_bytes *pieces, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const char *from = pieces[i].bytes;
        for (size_t done = 0; from && done < pieces[i].length;) {
            remote_address address = pieces[i].address + done;
            size_t length = PAGE_BYTES - address % PAGE_BYTES;
            if (length > pieces[i].length - done)
                length = pieces[i].length - done;
            memcpy((char *)storage->image.base + image_locate(&storage->image, address), from + done, length);
            done += length;
        }
    }
    storage->image.copied = storage->image.length;
}

struct error *image_from_bytes(const struct image_bytes *pieces, size_t count, struct image **out) {
    *out = NULL;
    struct image_storage *storage = image_storage_create();
    struct image_bytes *sorted = arena_new(&storage->arena, struct image_bytes, count + 1);
    if (count)
        memcpy(sorted, pieces, count * sizeof *pieces);
    qsort(sorted, count, sizeof *sorted, compare_pieces);
    struct error *error = NULL;
    for (size_t i = 0; i < count && !error; i++)
        if ((sorted[i].address + sorted[i].length) >> (IMAGE_PAGE_BITS + IMAGE_LEAF_BITS + IMAGE_TOP_BITS))
            error = error_create(STATUS_INTERNAL, "an image of bytes at %#llx: not a user address",
                                 (unsigned long long)sorted[i].address);
    if (!error) {
        add_segments(storage, sorted, count);
        error = image_storage_reserve(storage);
    }
    if (error) {
        memory_close(&storage->image.memory);
        return error;
    }
    copy_pieces(storage, sorted, count);
    *out = &storage->image;
    return NULL;
}
