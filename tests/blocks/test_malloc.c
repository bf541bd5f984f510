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

/* --- the walk over all blocks --- */

struct walked {
    struct {
        remote_address address;
        uint64_t size;
        bool used, inside; /* of the stretch told before */
    } blocks[8];
    size_t count, regions;
    remote_address begin, end;
};

static void walk_region(void *context, remote_address begin, remote_address end) {
    struct walked *walked = context;
    walked->regions++;
    walked->begin = begin;
    walked->end = end;
}

static void walk_block(void *context, remote_address address, uint64_t size, bool used) {
    struct walked *walked = context;
    bool inside = address >= walked->begin && address < walked->end;
    if (walked->count < 8) {
        walked->blocks[walked->count].address = address;
        walked->blocks[walked->count].size = size;
        walked->blocks[walked->count].used = used;
        walked->blocks[walked->count].inside = inside;
    }
    walked->count++;
}

static struct walked walk(remote_address address, uint32_t flags) {
    struct image_bytes piece = {address, memory, LENGTH, flags, flags & SEGMENT_HEAP ? "[heap]" : ""};
    struct image *image;
    struct walked walked = {0};
    CHECK(!image_from_bytes(&piece, 1, &image));
    malloc_walk(image, &(struct malloc_walker){&walked, walk_region, walk_block});
    memory_close(&image->memory);
    return walked;
}

TEST(a_walk_tells_used_and_free_blocks_of_any_size) {
    make_chunks((uint64_t[]){0x290, 0x20, 0x1000, 0x30}, 4, 0xb); /* the third one is free */
    struct walked walked = walk(HEAP, WRITABLE | SEGMENT_HEAP);
    CHECK_EQUAL(walked.regions, 1);
    CHECK_EQUAL(walked.count, 4);
    CHECK_EQUAL(walked.blocks[1].address, HEAP + 0x290 + 16);
    CHECK_EQUAL(walked.blocks[1].size, 0x20 - 8);
    CHECK(walked.blocks[0].used && walked.blocks[1].used && !walked.blocks[2].used && walked.blocks[3].used);
    CHECK(walked.blocks[3].inside);
}

/* malloc/arena.c: a heap of a thread's arena begins at a multiple of 64 MiB. */
#define ARENA 0x7f0004000000ull

enum { HEAD = 0x30, STATE = 0x890 };

static void make_arena(uint64_t arena, uint64_t size) {
    memset(memory, 0, sizeof memory);
    put_word(0, arena);
    put_word(16, size);
    put_word(24, size);
}

static void put_chain(size_t at, uint64_t end) {
    put_word(at + 8, 0x400 | 5);
    put_word(at + 0x400 + 8, 0x600 | 5);
    put_word(at + 0xa00 + 8, (end - at - 0xa00) | 1); /* the rest of the heap */
}

TEST(heaps_of_threads_are_walked) {
    make_arena(ARENA + HEAD, 32 * PAGE);
    put_chain(HEAD + STATE, 32 * PAGE);
    put_word(40 * PAGE + 8, 20 * PAGE | 2); /* behind it a block by itself */
    struct walked walked = walk(ARENA, WRITABLE);
    CHECK_EQUAL(walked.regions, 2);
    CHECK_EQUAL(walked.count, 3);
    CHECK_EQUAL(walked.blocks[0].address, ARENA + HEAD + STATE + 16);
    CHECK_EQUAL(walked.blocks[0].size, 0x400 - 8);
    CHECK_EQUAL(walked.blocks[1].size, 0x600 - 8);
    CHECK_EQUAL(walked.blocks[2].address, ARENA + 40 * PAGE + 16);
    CHECK(walked.blocks[0].inside && walked.blocks[1].inside && walked.blocks[2].inside);
}

TEST(a_second_heap_of_an_arena_has_its_chunks_at_once) {
    make_arena(ARENA - (64 << 20) + HEAD, 32 * PAGE);
    put_chain(HEAD, 32 * PAGE);
    CHECK_EQUAL(walk(ARENA, WRITABLE).count, 2);
}

TEST(what_only_begins_like_an_arena_is_none) {
    make_arena(ARENA + HEAD, 32 * PAGE);
    put_chain(HEAD + STATE, 33 * PAGE); /* the chain does not end where the heap does */
    CHECK_EQUAL(walk(ARENA, WRITABLE).count, 0);
    make_arena(ARENA + HEAD, 65 * PAGE); /* longer than the mapping */
    put_chain(HEAD + STATE, 65 * PAGE);
    CHECK_EQUAL(walk(ARENA, WRITABLE).count, 0);
    make_arena(ARENA + HEAD, 32 * PAGE);
    put_chain(HEAD + STATE, 32 * PAGE);
    CHECK_EQUAL(walk(ARENA + PAGE, WRITABLE).count, 0); /* not where one can begin */
}

TEST_MAIN(RUN(a_walk_tells_used_and_free_blocks_of_any_size); RUN(heaps_of_threads_are_walked);
          RUN(a_second_heap_of_an_arena_has_its_chunks_at_once); RUN(what_only_begins_like_an_arena_is_none);
          RUN(large_chunks_in_use_are_told); RUN(a_heap_that_is_broken_is_left_where_it_breaks);
          RUN(chunks_that_are_mapped_by_themselves_begin_a_page);)
