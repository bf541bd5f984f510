/* Walks the chunks of glibc's heaps, and finds chunks that were mapped by themselves. */
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

static remote_address align_chunk(remote_address address) {
    return (address + CHUNK_ALIGNMENT - 1) & ~(remote_address)(CHUNK_ALIGNMENT - 1);
}

/* Where the chunks from `chunk` on end: the last one, which is the rest of the heap, or damage. Nobody is told of them
 * without a walker. */
static remote_address walk_chunks(const struct image *image, remote_address chunk, remote_address end,
                                  const struct malloc_walker *walker) {
    uint64_t word = size_word(image, chunk);
    while (word) {
        uint64_t size = word & ~(uint64_t)FLAGS;
        if (size < CHUNK_LEAST || size % CHUNK_ALIGNMENT || size >= end - chunk)
            break;
        word = size_word(image, chunk + size);
        if (walker)
            walker->block(walker->context, chunk + CHUNK_HEADER, size - CHUNK_HEADER + 8, word & PREVIOUS_IN_USE);
        chunk += size;
    }
    return chunk;
}

static void visit_used(void *context, remote_address address, uint64_t size, bool used) {
    if (used)
        visit_block(context, address - CHUNK_HEADER, size + CHUNK_HEADER - 8);
}

static bool may_have_mapped(const struct memory_segment *segment) {
    return segment->flags & SEGMENT_WRITE && !(segment->flags & (SEGMENT_FILE | SEGMENT_STACK | SEGMENT_HEAP));
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
    struct malloc_walker heaps = {.context = &search, .block = visit_used};
    const struct memory *memory = &image->memory;
    for (size_t i = 0; i < memory->segment_count; i++)
        if (memory->segments[i].flags & SEGMENT_HEAP)
            walk_chunks(image, align_chunk(memory->segments[i].begin), memory->segments[i].end, &heaps);
    for (size_t i = 0; i < image->run_count; i++)
        if (may_have_mapped(image->runs[i].segment))
            find_mapped(&search, &image->runs[i]);
}

/* --- all blocks --- */

/* malloc/arena.c: struct heap_info {ar_ptr, prev, size, mprotect_size ...}, at a multiple of HEAP_MAX_SIZE. The first
 * heap of an arena has its struct malloc_state behind that, whose size differs between versions: the first chunk is
 * where a chain begins that ends with the heap. */
enum { HEAP_MOST = 64 << 20, STATE_MOST = 4096, FENCE = 64 };

static bool chain_fits(const struct image *image, remote_address chunk, remote_address end) {
    if (!(size_word(image, chunk) & PREVIOUS_IN_USE))
        return false;
    remote_address last = walk_chunks(image, chunk, end, NULL);
    return end - last <= FENCE || last + (size_word(image, last) & ~(uint64_t)FLAGS) == end;
}

/* The end of the arena's heap at `begin`, 0 if there is none. */
static remote_address walk_arena(const struct image *image, remote_address begin, remote_address end,
                                 const struct malloc_walker *walker) {
    const void *head = begin % HEAP_MOST ? NULL : image_view(image, begin, 32);
    if (!head)
        return 0;
    uint64_t arena = word_at(head, 0), size = word_at(head, 16), writable = word_at(head, 24);
    if (!arena || size < PAGE || size % PAGE || size > writable || writable > HEAP_MOST || size > end - begin)
        return 0;
    remote_address from = arena - begin < HEAP_MOST ? arena : begin + 16;
    for (remote_address chunk = align_chunk(from) + CHUNK_ALIGNMENT; chunk < from + STATE_MOST && chunk < begin + size;
         chunk += CHUNK_ALIGNMENT) {
        if (!chain_fits(image, chunk, begin + size))
            continue;
        walker->region(walker->context, begin, begin + size);
        walk_chunks(image, chunk, begin + size, walker);
        return begin + size;
    }
    return 0;
}

static remote_address walk_mapped(const unsigned char *bytes, remote_address page, uint64_t room,
                                  const struct malloc_walker *walker) {
    if (!is_mapped_chunk(bytes, room))
        return 0;
    uint64_t size = word_at(bytes, CHUNK_SIZE) & ~(uint64_t)FLAGS;
    walker->region(walker->context, page, page + size);
    walker->block(walker->context, page + CHUNK_HEADER, size - CHUNK_HEADER, true);
    return page + size;
}

static void walk_run(const struct image *image, const struct image_run *run, const struct malloc_walker *walker) {
    remote_address page = (run->begin + PAGE - 1) & ~(uint64_t)(PAGE - 1);
    while (page < run->end) {
        const unsigned char *bytes = image->base + run->offset + (page - run->begin);
        remote_address next = walk_arena(image, page, run->segment->end, walker);
        if (!next)
            next = walk_mapped(bytes, page, run->segment->end - page, walker);
        page = next ? next : page + PAGE;
    }
}

void malloc_walk(const struct image *image, const struct malloc_walker *walker) {
    const struct memory_segment *heap = NULL;
    for (size_t i = 0; i < image->run_count; i++) {
        const struct memory_segment *segment = image->runs[i].segment;
        if (segment->flags & SEGMENT_HEAP && segment != heap) {
            heap = segment;
            walker->region(walker->context, heap->begin, heap->end);
            walk_chunks(image, align_chunk(heap->begin), heap->end, walker);
        } else if (may_have_mapped(segment)) {
            walk_run(image, &image->runs[i], walker);
        }
    }
}
