/* Pages of mimalloc laid out by hand for each free-threaded row: which blocks are objects, and what their counts are. */
#include "cpython/mimalloc.h"
#include "cpython/refcount.h"
#include "support/check.h"

#include <stdlib.h>
#include <string.h>

enum { TRACKED = 1, UNREACHABLE = 4, FROZEN = 8, DEFERRED = 64 }; /* Include/internal/pycore_gc.h */
enum { PLAIN_SIZE = 64, HEADED_SIZE = 1024, BLOCKS = 8, COLLECTED = 2, COLLECTED_WITH_HEAD = 3, FOUND_MAX = 64 };
enum { SEGMENT_BYTES = 4 << 16, INTERPRETER_BYTES = 1 << 18, THREAD_BYTES = 1 << 15 };
#define SEGMENT 0x7f0002000000ull /* a multiple of 32 MiB */
#define INTERPRETER 0x7f0100000000ull
#define THREAD 0x7f0200000000ull

struct heap {
    const struct layout *layout;
    unsigned char *segment, *interpreter, *thread;
    struct model *model;
    remote_address found[FOUND_MAX], frozen[FOUND_MAX];
    size_t found_count, frozen_count;
    uint64_t told;
};

static void set(struct heap *heap, remote_address address, uint64_t value, size_t size) {
    unsigned char *bytes = address < INTERPRETER ? heap->segment + (address - SEGMENT)
                           : address < THREAD    ? heap->interpreter + (address - INTERPRETER)
                                                 : heap->thread + (address - THREAD);
    memcpy(bytes, &value, size);
}

static remote_address page_of_slice(const struct heap *heap, uint32_t slice) {
    return SEGMENT + heap->layout->segment_slices + slice * heap->layout->page_size;
}

/* Old pages of small blocks begin three blocks or one behind their slice; newer ones say where. */
static remote_address block_of(const struct heap *heap, uint32_t slice, uint64_t size, uint32_t i) {
    bool told = heap->layout->page_start != LAYOUT_NONE;
    return SEGMENT + slice * heap->layout->segment_slice_size + (told ? 4096 : size == PLAIN_SIZE ? 3 * size : 0) + i * size;
}

static void make_page(struct heap *heap, uint32_t slice, uint32_t tag, uint64_t size) {
    const struct layout *layout = heap->layout;
    remote_address page = page_of_slice(heap, slice);
    set(heap, page + layout->page_slice_count, 1, 4);
    set(heap, page + layout->page_capacity, BLOCKS, 2);
    set(heap, page + layout->page_block_size, size, layout->page_block_size_size);
    set(heap, page + layout->page_tag, (uint64_t)tag << __builtin_ctz(layout->page_tag_mask), 1);
    if (layout->page_start != LAYOUT_NONE)
        set(heap, page + layout->page_start, block_of(heap, slice, size, 0), 8);
}

static remote_address make_object(struct heap *heap, remote_address object, uint32_t bits) {
    set(heap, object + heap->layout->object_gc_bits, bits, 1);
    set(heap, object + heap->layout->object_refcount_local, 1, 4);
    return object;
}

/* A segment of its own slice, a page of plain objects and one of objects with a head in front; all blocks are free memory
 * that once was an object, until it is made one. */
static void begin(struct heap *heap, const struct layout *layout) {
    memset(heap, 0, sizeof *heap);
    heap->layout = layout;
    heap->segment = calloc(1, SEGMENT_BYTES);
    heap->interpreter = calloc(1, INTERPRETER_BYTES);
    heap->thread = calloc(1, THREAD_BYTES);
    set(heap, SEGMENT + layout->segment_slice_entries, 3, 8);
    set(heap, page_of_slice(heap, 0) + layout->page_slice_count, 1, 4);
    make_page(heap, 1, COLLECTED, PLAIN_SIZE);
    make_page(heap, 2, COLLECTED_WITH_HEAD, HEADED_SIZE);
}

static void add_thread(struct heap *heap) {
    const struct layout *layout = heap->layout;
    set(heap, INTERPRETER + layout->interpreter_threads, THREAD, 8);
    set(heap, THREAD + layout->thread_heaps_initialized, 1, 4);
    for (uint32_t i = 0; i < 4; i++) {
        remote_address one = THREAD + layout->thread_heaps + i * layout->heap_size;
        set(heap, one + layout->heap_state, THREAD + layout->thread_heap_state, 8);
        set(heap, one + layout->heap_tag, i, 1);
        if (i == COLLECTED || i == COLLECTED_WITH_HEAD)
            set(heap, one + layout->heap_pages + 5 * layout->heap_page_queue_size, page_of_slice(heap, i - 1), 8);
    }
}

static void keep(void *context, remote_address object, bool permanent) {
    struct heap *heap = context;
    if (permanent)
        heap->frozen[heap->frozen_count++ % FOUND_MAX] = object;
    else
        heap->found[heap->found_count++ % FOUND_MAX] = object;
}

static void look(struct heap *heap) {
    struct image_bytes pieces[] = {{SEGMENT, heap->segment, SEGMENT_BYTES, SEGMENT_READ | SEGMENT_WRITE, ""},
                                   {INTERPRETER, heap->interpreter, INTERPRETER_BYTES, SEGMENT_READ | SEGMENT_WRITE, ""},
                                   {THREAD, heap->thread, THREAD_BYTES, SEGMENT_READ | SEGMENT_WRITE, ""}};
    struct image *image = NULL;
    if (image_from_bytes(pieces, 3, &image))
        abort();
    heap->model = calloc(1, sizeof *heap->model);
    heap->model->image = image;
    heap->model->layout = heap->layout;
    heap->told = mimalloc_collected_objects(heap->model, INTERPRETER, keep, heap);
}

static void end(struct heap *heap) {
    model_close(heap->model);
    free(heap->segment);
    free(heap->interpreter);
    free(heap->thread);
}

static bool is_found(const struct heap *heap, remote_address object) {
    for (size_t i = 0; i < heap->found_count; i++)
        if (heap->found[i] == object)
            return true;
    return false;
}

static const struct layout *free_threaded_row(size_t *i) {
    size_t count;
    const struct layout *rows = layout_rows(&count);
    while (*i < count && rows[*i].thread_heaps == LAYOUT_NONE)
        ++*i;
    return *i < count ? &rows[(*i)++] : NULL;
}
#define EACH_ROW(row) (size_t next_ = 0, *next = &next_; ((row) = free_threaded_row(next));)

TEST(there_are_rows_of_three_versions) {
    const struct layout *row;
    uint32_t versions = 0;
    for EACH_ROW (row) {
        versions |= 1u << (row->version >> 16 & 0xff);
        CHECK(row->build & LAYOUT_FREE_THREADED);
        CHECK_EQUAL(row->collector_head_size, 0);
    }
    CHECK_EQUAL(versions, 1u << 13 | 1u << 14 | 1u << 15);
}

TEST(tracked_blocks_that_are_in_use_are_objects) {
    const struct layout *row;
    for EACH_ROW (row) {
        struct heap heap;
        begin(&heap, row);
        add_thread(&heap);
        remote_address plain = make_object(&heap, block_of(&heap, 1, PLAIN_SIZE, 2), TRACKED);
        remote_address headed = make_object(&heap, block_of(&heap, 2, HEADED_SIZE, 5) + 16, TRACKED | DEFERRED);
        remote_address frozen = make_object(&heap, block_of(&heap, 1, PLAIN_SIZE, 3), TRACKED | FROZEN);
        make_object(&heap, block_of(&heap, 1, PLAIN_SIZE, 4), 0);
        make_object(&heap, block_of(&heap, 1, PLAIN_SIZE, 5), TRACKED | UNREACHABLE);
        look(&heap);
        CHECK_EQUAL(heap.told, 2);
        CHECK_EQUAL(heap.found_count, 2);
        CHECK(is_found(&heap, plain) && is_found(&heap, headed));
        CHECK_EQUAL(heap.frozen_count, 1);
        CHECK_EQUAL(heap.frozen[0], frozen);
        CHECK_EQUAL(heap.model->faults, 0);
        end(&heap);
    }
}

/* Its marks come and go: none of them is believed before it has ended. */
TEST(a_collection_under_way_hides_nothing) {
    const struct layout *row;
    for EACH_ROW (row) {
        struct heap heap;
        begin(&heap, row);
        add_thread(&heap);
        set(&heap, INTERPRETER + row->interpreter_gc + row->gc_collecting, 1, 4);
        make_object(&heap, block_of(&heap, 1, PLAIN_SIZE, 5), TRACKED | UNREACHABLE);
        look(&heap);
        CHECK_EQUAL(heap.told, 1);
        end(&heap);
    }
}

/* Freed by the allocating code, by the owning thread, by others: three lists, the last with two bits of flags. */
TEST(free_blocks_are_no_objects) {
    const struct layout *row;
    for EACH_ROW (row) {
        struct heap heap;
        begin(&heap, row);
        add_thread(&heap);
        for (uint32_t i = 0; i < BLOCKS; i++)
            make_object(&heap, block_of(&heap, 1, PLAIN_SIZE, i), TRACKED);
        remote_address page = page_of_slice(&heap, 1);
        set(&heap, page + row->page_free, block_of(&heap, 1, PLAIN_SIZE, 7), 8);
        set(&heap, block_of(&heap, 1, PLAIN_SIZE, 7), block_of(&heap, 1, PLAIN_SIZE, 0), 8);
        set(&heap, page + row->page_local_free, block_of(&heap, 1, PLAIN_SIZE, 3), 8);
        set(&heap, page + row->page_thread_free, block_of(&heap, 1, PLAIN_SIZE, 4) | 2, 8);
        look(&heap);
        CHECK_EQUAL(heap.told, BLOCKS - 4);
        CHECK(is_found(&heap, block_of(&heap, 1, PLAIN_SIZE, 1)) && !is_found(&heap, block_of(&heap, 1, PLAIN_SIZE, 0)));
        CHECK_EQUAL(heap.model->faults, 0);
        end(&heap);
    }
}

TEST(objects_of_ended_threads_are_found_in_abandoned_segments) {
    const struct layout *row;
    for EACH_ROW (row) {
        struct heap heap;
        begin(&heap, row);
        remote_address plain = make_object(&heap, block_of(&heap, 1, PLAIN_SIZE, 0), TRACKED);
        remote_address headed = make_object(&heap, block_of(&heap, 2, HEADED_SIZE, 1) + 16, TRACKED);
        set(&heap, SEGMENT + row->segment_abandoned, 2, 8);
        if (row->interpreter_subprocess != LAYOUT_NONE) {
            set(&heap, INTERPRETER + row->interpreter_subprocess, 0x7777000, 8);
            set(&heap, SEGMENT + row->segment_subprocess, 0x7777000, 8);
        } else {
            set(&heap, INTERPRETER + row->interpreter_abandoned, SEGMENT | 77, 8); /* tagged by how often it changed */
        }
        look(&heap);
        CHECK_EQUAL(heap.told, 2);
        CHECK(is_found(&heap, plain) && is_found(&heap, headed));
        end(&heap);
    }
}

TEST(a_debugging_allocator_puts_words_in_front) {
    const struct layout *row;
    for EACH_ROW (row) {
        struct heap heap;
        begin(&heap, row);
        add_thread(&heap);
        remote_address block = block_of(&heap, 1, PLAIN_SIZE, 1);
        set(&heap, block, 40ull << 56, 8);
        set(&heap, block + 8, 0xfdfdfdfdfdfdfd00 | 'o', 8);
        make_object(&heap, block + 16, TRACKED);
        look(&heap);
        CHECK_EQUAL(heap.told, 1);
        CHECK(is_found(&heap, block + 16));
        end(&heap);
    }
}

TEST(wild_lists_are_faults) {
    const struct layout *row;
    for EACH_ROW (row) {
        struct heap heap;
        begin(&heap, row);
        add_thread(&heap);
        make_object(&heap, block_of(&heap, 1, PLAIN_SIZE, 6), TRACKED);
        remote_address page = page_of_slice(&heap, 1), headed = page_of_slice(&heap, 2);
        remote_address loop = block_of(&heap, 1, PLAIN_SIZE, 2);
        set(&heap, page + row->page_free, loop, 8);
        set(&heap, loop, loop, 8);
        set(&heap, page + row->page_next, page, 8);
        set(&heap, headed + row->page_free, 0x123456, 8);
        set(&heap, headed + row->page_block_size, 8, row->page_block_size_size);
        look(&heap);
        CHECK(is_found(&heap, block_of(&heap, 1, PLAIN_SIZE, 6)));
        CHECK(heap.model->faults >= 3);
        end(&heap);
    }
}

TEST(a_thread_fits_by_the_tags_of_its_heaps) {
    const struct layout *row;
    for EACH_ROW (row) {
        struct heap heap;
        begin(&heap, row);
        add_thread(&heap);
        look(&heap);
        const struct memory *memory = &heap.model->image->memory;
        CHECK(mimalloc_thread_fits(memory, row, THREAD));
        CHECK(!mimalloc_thread_fits(memory, row, THREAD + 8));
        CHECK(!mimalloc_thread_fits(memory, row, INTERPRETER));
        CHECK(!mimalloc_thread_fits(memory, row, 0));
        end(&heap);
    }
}

TEST(counts_are_the_sum_of_both_halves) {
    const struct layout *row;
    for EACH_ROW (row) {
        unsigned char head[64] = {0};
        uint32_t local = 3;
        int64_t shared = -1 * 4 + 1, deferred = INT64_MAX / 8 * 4;
        memcpy(head + row->object_refcount_local, &local, 4);
        CHECK_EQUAL(model_refcount(row, head), 3);
        memcpy(head + row->object_refcount_shared, &shared, 8); /* others gave one back */
        CHECK_EQUAL(model_refcount(row, head), 2);
        head[row->object_gc_bits] = TRACKED | DEFERRED;
        if (row->object_deferred_local)
            local++;
        else
            shared += deferred;
        memcpy(head + row->object_refcount_local, &local, 4);
        memcpy(head + row->object_refcount_shared, &shared, 8);
        CHECK_EQUAL(model_refcount(row, head), 2);
        memset(head + row->object_refcount_local, 0xff, 4);
        CHECK_EQUAL(model_refcount(row, head), UINT32_MAX);
        memset(head, 0, sizeof head);
        CHECK_EQUAL(model_refcount(row, head), 0);
    }
}

TEST_MAIN(RUN(there_are_rows_of_three_versions); RUN(tracked_blocks_that_are_in_use_are_objects); RUN(free_blocks_are_no_objects); RUN(a_collection_under_way_hides_nothing);
          RUN(objects_of_ended_threads_are_found_in_abandoned_segments); RUN(a_debugging_allocator_puts_words_in_front);
          RUN(wild_lists_are_faults); RUN(a_thread_fits_by_the_tags_of_its_heaps); RUN(counts_are_the_sum_of_both_halves);)
