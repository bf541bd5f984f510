/* Walks the chunks of glibc's main heap, and finds chunks that were mapped by themselves. */
#include "blocks/malloc.h"

#include <string.h>

/* malloc/malloc.c: struct malloc_chunk {mchunk_prev_size, mchunk_size}; the low bits of the size. */
enum {
    CHUNK_SIZE = 8,
    CHUNK_HEADER = 16,
    CHUNK_LEAST = 32,
    CHUNK_ALIGNMENT = 16,
    PREVIOUS_IN_USE = 1,
    IS_MAPPED = 2,
    FLAGS = 7,
    SMALL_MOST = 512,     /* Objects/obmalloc.c: SMALL_REQUEST_THRESHOLD */
    MAPPED_LEAST = 65536, /* the threshold is 128 KiB at first, and rises */
    SEEN_LEAST = 64,
    PAGE = 4096,
};

struct search {
    const struct image *image;
    malloc_visit visit;
    void *context;
};

static uint64_t word_at(const void *bytes, size_t offset) {
    uint64_t word;
    memcpy(&word, (const char *)bytes + offset, sizeof word);
    return word;
}

static void visit_block(const struct search *search, remote_address chunk, uint64_t size) {
    remote_address address = chunk + CHUNK_HEADER;
    if (size <= SMALL_MOST || !image_view(search->image, address, SEEN_LEAST))
        return;
    search->visit(search->context, address, image_locate(search->image, address), size - CHUNK_HEADER + 8);
}

/* The size word of the chunk at `chunk`, 0 if there is none. */
static uint64_t size_word(const struct image *image, remote_address chunk) {
    const void *bytes = image_view(image, chunk + CHUNK_SIZE, 8);
    return bytes ? word_at(bytes, 0) : 0;
}

static void walk_heap(const struct search *search, const struct memory_segment *heap) {
    remote_address chunk = (heap->begin + CHUNK_ALIGNMENT - 1) & ~(uint64_t)(CHUNK_ALIGNMENT - 1);
    uint64_t word = size_word(search->image, chunk);
    while (word) {
        uint64_t size = word & ~(uint64_t)FLAGS;
        if (size < CHUNK_LEAST || size % CHUNK_ALIGNMENT || size >= heap->end - chunk)
            return; /* the last chunk, which is the rest of the heap, or damage */
        word = size_word(search->image, chunk + size);
        if (word & PREVIOUS_IN_USE)
            visit_block(search, chunk, size);
        chunk += size;
    }
}

static bool is_mapped_chunk(const unsigned char *bytes, uint64_t room) {
    uint64_t word = word_at(bytes, CHUNK_SIZE), size = word & ~(uint64_t)FLAGS;
    return (word & FLAGS) == IS_MAPPED && !word_at(bytes, 0) && size % PAGE == 0 && size >= MAPPED_LEAST && size <= room;
}

/* A mapped chunk begins a page; neighbours of its kind are one segment for the kernel. */
static void find_mapped(const struct search *search, const struct image_run *run) {
    remote_address page = (run->begin + PAGE - 1) & ~(uint64_t)(PAGE - 1);
    while (page < run->end) {
        const unsigned char *bytes = search->image->base + run->offset + (page - run->begin);
        uint64_t room = run->segment->end - page;
        if (!is_mapped_chunk(bytes, room)) {
            page += PAGE;
            continue;
        }
        uint64_t size = word_at(bytes, CHUNK_SIZE) & ~(uint64_t)FLAGS;
        visit_block(search, page, size);
        page += size;
    }
}

void malloc_each_large(const struct image *image, malloc_visit visit, void *context) {
    struct search search = {image, visit, context};
    const struct memory *memory = &image->memory;
    for (size_t i = 0; i < memory->segment_count; i++)
        if (memory->segments[i].flags & SEGMENT_HEAP)
            walk_heap(&search, &memory->segments[i]);
    for (size_t i = 0; i < image->run_count; i++) {
        const struct memory_segment *segment = image->runs[i].segment;
        if (segment->flags & SEGMENT_WRITE && !(segment->flags & (SEGMENT_FILE | SEGMENT_STACK | SEGMENT_HEAP)))
            find_mapped(&search, &image->runs[i]);
    }
}
