/* malloc.h: chunks of the main heap that are in use and large, chunks that are mapped by themselves. */
#include "blocks/malloc.h"
#include "seen.h"

#include <string.h>

enum { PAGE = 4096, LENGTH = 64 * PAGE, WRITABLE = SEGMENT_READ | SEGMENT_WRITE };
#define HEAP 0x555500000000ull
#define MAPPED 0x7f0000100000ull

static unsigned char memory[LENGTH];

static void put_word(size_t offset, uint64_t value) {
    memcpy(memory + offset, &value, sizeof value);
}

/* Chunks of these sizes, one after the other from the begin; `used` has a bit for each. */
static void make_chunks(const uint64_t *sizes, size_t count, unsigned used) {
    size_t at = 0;
    memset(memory, 0, sizeof memory);
    for (size_t i = 0; i <= count; i++) {
        bool before = i == 0 || used >> (i - 1) & 1;
        uint64_t size = i < count ? sizes[i] : LENGTH - at; /* the last one is the rest of the heap */
        put_word(at + 8, size | before);
        at += size;
    }
}

static struct seen look(remote_address address, uint32_t flags) {
    struct image_bytes piece = {address, memory, LENGTH, flags, flags & SEGMENT_HEAP ? "[heap]" : ""};
    struct seen seen;
    struct image *image = seen_open(&seen, &piece);
    malloc_each_large(image, seen_block, &seen);
    memory_close(&image->memory);
    CHECK(!seen.wrong_offset);
    return seen;
}

TEST(large_chunks_in_use_are_told) {
    make_chunks((uint64_t[]){0x290, 0x20, 0x1000, 0x800, 0x210}, 5, 0x1b); /* the third one is free */
    struct seen seen = look(HEAP, WRITABLE | SEGMENT_HEAP);
    CHECK_EQUAL(seen.count, 3);
    CHECK_EQUAL(seen.addresses[0], HEAP + 16);
    CHECK_EQUAL(seen.sizes[0], 0x290 - 8);
    CHECK_EQUAL(seen.addresses[1], HEAP + 0x290 + 0x20 + 0x1000 + 16);
    CHECK_EQUAL(seen.sizes[1], 0x800 - 8);
    CHECK_EQUAL(seen.addresses[2], HEAP + 0x290 + 0x20 + 0x1000 + 0x800 + 16);
}

TEST(a_heap_that_is_broken_is_left_where_it_breaks) {
    make_chunks((uint64_t[]){0x290, 0x400, 0x400}, 3, 7);
    put_word(0x290 + 0x400 + 8, 1); /* a chunk of no size */
    CHECK_EQUAL(look(HEAP, WRITABLE | SEGMENT_HEAP).count, 2);
    make_chunks((uint64_t[]){0x290, 0x400, 0x400}, 3, 7);
    put_word(0x290 + 8, UINT64_MAX); /* an absurd one */
    CHECK_EQUAL(look(HEAP, WRITABLE | SEGMENT_HEAP).count, 1);
    memset(memory, 0xff, sizeof memory);
    CHECK_EQUAL(look(HEAP, WRITABLE | SEGMENT_HEAP).count, 0);
    memset(memory, 0, sizeof memory);
    CHECK_EQUAL(look(HEAP, WRITABLE | SEGMENT_HEAP).count, 0);
}

TEST(chunks_that_are_mapped_by_themselves_begin_a_page) {
    memset(memory, 0, sizeof memory);
    put_word(2 * PAGE + 8, 20 * PAGE | 2);
    put_word(22 * PAGE + 8, 30 * PAGE | 2);
    put_word(5 * PAGE + 8, 17 * PAGE | 2);  /* inside of the first one: it is contents */
    put_word(52 * PAGE + 8, 17 * PAGE | 2); /* longer than what is left */
    put_word(53 * PAGE + 8, 4 * PAGE | 2);  /* too small to be mapped */
    struct seen seen = look(MAPPED, WRITABLE);
    CHECK_EQUAL(seen.count, 2);
    CHECK_EQUAL(seen.addresses[0], MAPPED + 2 * PAGE + 16);
    CHECK_EQUAL(seen.addresses[1], MAPPED + 22 * PAGE + 16);
    CHECK_EQUAL(seen.sizes[1], 30 * PAGE - 8);
    CHECK_EQUAL(look(MAPPED, SEGMENT_READ).count, 0);
    CHECK_EQUAL(look(MAPPED, WRITABLE | SEGMENT_FILE).count, 0);
}

TEST_MAIN(RUN(large_chunks_in_use_are_told); RUN(a_heap_that_is_broken_is_left_where_it_breaks);
          RUN(chunks_that_are_mapped_by_themselves_begin_a_page);)
