/* Walks the pages of mimalloc for the objects of the collector, as gc_visit_heaps in Python/gc_free_threading.c does. */
#include "cpython/mimalloc.h"

#include "cpython/walk.h"

#include <string.h>

/* Include/internal/pycore_mimalloc.h: _Py_mimalloc_heap_id. Objects with a head in front of them lie two words into
 * their block. */
enum { HEAP_COUNT = 4, HEAP_COLLECTED = 2, HEAP_COLLECTED_WITH_HEAD = 3, HEAD_BEFORE = 16 };
enum { CAPACITY_MAX = 1 << 16, THREADS_MAX = 1 << 20, SEGMENTS_MAX = 1 << 20 };

struct block_walk {
    struct model *model;
    const struct layout *layout;
    roots_collected each;
    void *context;
    bool collecting;                  /* a collection under way marks what it has not reached yet */
    uint64_t count;                   /* objects that are not frozen */
    uint64_t free[CAPACITY_MAX / 64]; /* bits of the blocks of one page */
};

struct page {
    remote_address blocks;
    uint64_t block_size, capacity;
};

static uint64_t page_block_size(const struct layout *layout, const void *page) {
    uint64_t word = word_at(page, layout->page_block_size);
    return layout->page_block_size_size == sizeof word ? word : (uint32_t)word;
}

/* Objects/mimalloc/segment.c: _mi_segment_page_start_from_slice; newer pages say where their blocks begin. */
static remote_address first_block(const struct layout *layout, remote_address address, const void *page) {
    if (layout->page_start != LAYOUT_NONE)
        return word_at(page, layout->page_start);
    remote_address segment = address & ~(uint64_t)(layout->segment_size - 1);
    uint64_t slice = (address - segment - layout->segment_slices) / layout->page_size;
    uint64_t size = page_block_size(layout, page);
    uint64_t skipped = size < 8 ? 0 : size <= 64 ? 3 * size : size <= 512 ? size : 0;
    return segment + slice * layout->segment_slice_size + skipped;
}

/* Marks the blocks of one list of free ones; a list that leaves its page or comes back to itself is a fault. */
static void mark_free(struct block_walk *walk, const struct page *page, remote_address block) {
    uint64_t left = page->capacity;
    for (; block; block = model_word(walk->model, block)) {
        uint64_t offset = block - page->blocks, i = offset / page->block_size;
        bool astray = block < page->blocks || offset % page->block_size || i >= page->capacity;
        if (astray || left-- == 0) {
            walk->model->faults++;
            return;
        }
        walk->free[i / 64] |= 1ull << (i & 63);
    }
}

/* Objects/obmalloc.c: a debugging allocator puts two words in front of each block, the second of them forbidden bytes
 * behind a letter. */
static uint64_t debug_words(const struct block_walk *walk, remote_address block) {
    bool debugged = (model_word(walk->model, block + 8) & ~0xffull) == 0xfdfdfdfdfdfdfd00;
    return debugged ? 16 : 0;
}

static void tell_object(struct block_walk *walk, remote_address block, uint64_t before) {
    const struct layout *layout = walk->layout;
    remote_address object = block + before + debug_words(walk, block);
    const unsigned char *head = image_view(walk->model->image, object, layout->object_head);
    if (!head)
        return;
    uint32_t bits = head[layout->object_gc_bits];
    if (!(bits & layout->object_tracked_bit) || (bits & layout->object_unreachable_bit && !walk->collecting))
        return;
    bool frozen = bits & layout->object_frozen_bit;
    walk->count += !frozen;
    walk->each(walk->context, object, frozen);
}

/* Objects/mimalloc/heap.c: _mi_heap_area_visit_blocks. */
static void visit_page(struct block_walk *walk, remote_address address, uint64_t before) {
    const struct layout *layout = walk->layout;
    const unsigned char *bytes = image_view(walk->model->image, address, layout->page_size);
    if (!bytes) {
        walk->model->faults++;
        return;
    }
    struct page page = {.block_size = page_block_size(layout, bytes)};
    page.capacity = word_at(bytes, layout->page_capacity) & 0xffff;
    page.blocks = first_block(layout, address, bytes);
    if (!page.capacity)
        return;
    if (page.block_size < layout->object_head + before) {
        walk->model->faults++;
        return;
    }
    memset(walk->free, 0, (page.capacity + 63) / 64 * 8);
    mark_free(walk, &page, word_at(bytes, layout->page_free));
    mark_free(walk, &page, word_at(bytes, layout->page_local_free));
    mark_free(walk, &page, word_at(bytes, layout->page_thread_free) & ~3ull);
    for (uint64_t i = 0; i < page.capacity; i++)
        if (!(walk->free[i / 64] >> (i & 63) & 1))
            tell_object(walk, page.blocks + i * page.block_size, before);
}

/* Objects/mimalloc/heap.c: mi_heap_visit_pages. */
static void visit_heap(struct block_walk *walk, remote_address heap, uint64_t before) {
    const struct layout *layout = walk->layout;
    for (uint32_t i = 0; i < layout->heap_page_queues; i++) {
        remote_address queue = heap + layout->heap_pages + i * layout->heap_page_queue_size;
        remote_address page = model_word(walk->model, queue);
        struct chain chain = {0};
        for (; page; page = model_word(walk->model, page + layout->page_next)) {
            if (chain_returns(&chain, page)) {
                walk->model->faults++;
                break;
            }
            visit_page(walk, page, before);
        }
    }
}

static void visit_thread(struct block_walk *walk, remote_address thread) {
    const struct layout *layout = walk->layout;
    if (!model_half(walk->model, thread + layout->thread_heaps_initialized))
        return;
    remote_address heaps = thread + layout->thread_heaps;
    visit_heap(walk, heaps + HEAP_COLLECTED * layout->heap_size, 0);
    visit_heap(walk, heaps + HEAP_COLLECTED_WITH_HEAD * layout->heap_size, HEAD_BEFORE);
}

static void visit_threads(struct block_walk *walk, remote_address interpreter) {
    const struct layout *layout = walk->layout;
    remote_address thread = model_word(walk->model, interpreter + layout->interpreter_threads);
    struct chain chain = {0};
    for (int i = 0; thread && i < THREADS_MAX && !chain_returns(&chain, thread); i++) {
        visit_thread(walk, thread);
        thread = model_word(walk->model, thread + layout->thread_next);
    }
}

/* --- what ended threads left behind --- */

/* Objects/mimalloc/segment.c: mi_segment_visit_pages; the first slices are the segment's own. */
static void visit_segment(struct block_walk *walk, remote_address segment) {
    const struct layout *layout = walk->layout;
    uint64_t entries = model_word(walk->model, segment + layout->segment_slice_entries);
    uint64_t most = layout->segment_size / layout->segment_slice_size;
    remote_address slices = segment + layout->segment_slices;
    uint64_t i = model_half(walk->model, slices + layout->page_slice_count);
    while (i && i < entries && i < most) {
        remote_address slice = slices + i * layout->page_size;
        const unsigned char *bytes = image_view(walk->model->image, slice, layout->page_size);
        uint32_t count = bytes ? half_at(bytes, layout->page_slice_count) : 0;
        if (!count) {
            walk->model->faults++;
            return;
        }
        uint32_t tag = (bytes[layout->page_tag] & layout->page_tag_mask) >> __builtin_ctz(layout->page_tag_mask);
        if (page_block_size(layout, bytes) && tag == HEAP_COLLECTED)
            visit_page(walk, slice, 0);
        else if (page_block_size(layout, bytes) && tag == HEAP_COLLECTED_WITH_HEAD)
            visit_page(walk, slice, HEAD_BEFORE);
        i += count;
    }
}

static void visit_abandoned_list(struct block_walk *walk, remote_address segment) {
    const struct layout *layout = walk->layout;
    struct chain chain = {0};
    for (int i = 0; segment && i < SEGMENTS_MAX; i++) {
        if (chain_returns(&chain, segment)) {
            walk->model->faults++;
            return;
        }
        visit_segment(walk, segment);
        segment = model_word(walk->model, segment + layout->segment_abandoned_next);
    }
}

/* Without a list they are marked in the bitmaps of arenas; but each stands at a round address and names its
 * interpreter's "subprocess", and no thread owns it. */
static bool is_abandoned_segment(const struct block_walk *walk, remote_address segment, remote_address owner) {
    const struct layout *layout = walk->layout;
    uint64_t entries = model_word(walk->model, segment + layout->segment_slice_entries);
    return model_word(walk->model, segment + layout->segment_subprocess) == owner &&
           model_word(walk->model, segment + layout->segment_thread) == 0 &&
           model_word(walk->model, segment + layout->segment_abandoned) > 0 && entries > 0 &&
           entries <= layout->segment_size / layout->segment_slice_size + 1;
}

static void find_abandoned_segments(struct block_walk *walk, remote_address owner) {
    const struct image *image = walk->model->image;
    uint64_t size = walk->layout->segment_size;
    for (size_t i = 0; i < image->run_count; i++) {
        remote_address segment = (image->runs[i].begin + size - 1) & ~(size - 1);
        for (; segment < image->runs[i].end; segment += size)
            if (is_abandoned_segment(walk, segment, owner))
                visit_segment(walk, segment);
    }
}

static void visit_abandoned(struct block_walk *walk, remote_address interpreter) {
    const struct layout *layout = walk->layout;
    if (layout->interpreter_subprocess != LAYOUT_NONE) {
        find_abandoned_segments(walk, model_word(walk->model, interpreter + layout->interpreter_subprocess));
        return;
    }
    /* the low bits of a tagged list count how often it changed */
    remote_address list = model_word(walk->model, interpreter + layout->interpreter_abandoned);
    visit_abandoned_list(walk, list & ~(uint64_t)(layout->segment_size - 1));
    visit_abandoned_list(walk, model_word(walk->model, interpreter + layout->interpreter_abandoned_visited));
}

uint64_t mimalloc_collected_objects(struct model *model, remote_address interpreter, roots_collected each,
                                    void *context) {
    const struct layout *layout = model->layout;
    struct block_walk walk = {.model = model, .layout = layout, .each = each, .context = context};
    walk.collecting = model_half(model, interpreter + layout->interpreter_gc + layout->gc_collecting) != 0;
    visit_threads(&walk, interpreter);
    visit_abandoned(&walk, interpreter);
    return walk.count;
}

bool mimalloc_thread_fits(const struct memory *memory, const struct layout *layout, remote_address thread) {
    for (uint32_t i = 0; i < HEAP_COUNT; i++) {
        remote_address heap = thread + layout->thread_heaps + i * layout->heap_size;
        uint64_t state;
        unsigned char tag;
        if (!memory_read_word(memory, heap + layout->heap_state, &state) ||
            state != thread + layout->thread_heap_state ||
            !memory_read(memory, heap + layout->heap_tag, 1, &tag) || tag != i)
            return false;
    }
    return true;
}
