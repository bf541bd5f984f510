/* pymalloc.h: pools are known by their headers, free blocks are left out, damage is no block. */
#include "blocks/pymalloc.h"
#include "seen.h"

#include <string.h>

enum { SMALL = 4096, LARGE = 16384, HEADER = 48 };
#define ADDRESS 0x7f0000100000ull

static void put_half(unsigned char *bytes, size_t offset, uint32_t value) {
    memcpy(bytes + offset, &value, sizeof value);
}
static void put_word(unsigned char *bytes, size_t offset, uint64_t value) {
    memcpy(bytes + offset, &value, sizeof value);
}

/* A pool of `size` bytes with `used` blocks in use of the `handed_out` first ones; no list of free ones yet. */
static void make_pool(unsigned char *bytes, uint32_t size, uint32_t block, uint32_t used, uint32_t handed_out) {
    memset(bytes, 0, size);
    put_half(bytes, 0, used);
    put_word(bytes, 16, ADDRESS);
    put_word(bytes, 24, ADDRESS);
    put_half(bytes, 32, 3);
    put_half(bytes, 36, block / 16 - 1);
    put_half(bytes, 40, HEADER + handed_out * block);
    put_half(bytes, 44, size - block);
}

static void look(const unsigned char *bytes, size_t length, uint32_t flags, struct seen *seen,
                 struct pymalloc_totals *totals) {
    struct image_bytes piece = {ADDRESS, bytes, length, flags, ""};
    struct image *image = seen_open(seen, &piece);
    pymalloc_each_used(image, seen_block, seen, totals);
    memory_close(&image->memory);
}

static unsigned char memory[4 * LARGE];
enum { WRITABLE = SEGMENT_READ | SEGMENT_WRITE };

TEST(pools_of_both_sizes_are_walked) {
    struct seen seen;
    struct pymalloc_totals totals;
    memset(memory, 0, sizeof memory);
    make_pool(memory, LARGE, 64, 3, 3);
    make_pool(memory + LARGE, SMALL, 512, 2, 2);
    look(memory, sizeof memory, WRITABLE, &seen, &totals);
    CHECK_EQUAL(seen.count, 5);
    CHECK_EQUAL(totals.pools, 2);
    CHECK_EQUAL(seen.addresses[0], ADDRESS + HEADER);
    CHECK_EQUAL(seen.addresses[2], ADDRESS + HEADER + 128);
    CHECK_EQUAL(seen.addresses[4], ADDRESS + LARGE + HEADER + 512);
    CHECK_EQUAL(seen.sizes[4], 512);
    CHECK(!seen.wrong_offset);
    CHECK_EQUAL(totals.used_blocks, 5);
    CHECK_EQUAL(totals.used_bytes, 3 * 64 + 2 * 512);
    CHECK_EQUAL(totals.free_bytes, LARGE - HEADER - 3 * 64 + SMALL - HEADER - 2 * 512);
}

TEST(free_blocks_are_those_of_the_list) {
    struct seen seen;
    struct pymalloc_totals totals;
    memset(memory, 0, sizeof memory);
    make_pool(memory, LARGE, 32, 3, 5); /* blocks 3 and 1 are free */
    put_word(memory, 8, ADDRESS + HEADER + 3 * 32);
    put_word(memory, HEADER + 3 * 32, ADDRESS + HEADER + 32);
    look(memory, sizeof memory, WRITABLE, &seen, &totals);
    CHECK_EQUAL(seen.count, 3);
    CHECK_EQUAL(seen.addresses[0], ADDRESS + HEADER);
    CHECK_EQUAL(seen.addresses[1], ADDRESS + HEADER + 64);
    CHECK_EQUAL(seen.addresses[2], ADDRESS + HEADER + 128);
}

/* What a pool is no more after one of its words has changed. */
static void refuse_half(size_t offset, uint32_t value) {
    struct seen seen;
    struct pymalloc_totals totals;
    memset(memory, 0, sizeof memory);
    make_pool(memory, LARGE, 32, 3, 5);
    put_word(memory, 8, ADDRESS + HEADER + 3 * 32);
    put_word(memory, HEADER + 3 * 32, ADDRESS + HEADER + 32);
    put_half(memory, offset, value);
    look(memory, sizeof memory, WRITABLE, &seen, &totals);
    CHECK_EQUAL(seen.count, 0);
}

TEST(a_header_that_does_not_agree_with_itself_is_none) {
    refuse_half(0, 0);                  /* no block in use */
    refuse_half(0, 6);                  /* more in use than were handed out */
    refuse_half(36, 32);                /* no such class of size */
    refuse_half(36, 2);                 /* another one */
    refuse_half(40, HEADER + 33);       /* not at the edge of a block */
    refuse_half(40, LARGE + 32);        /* beyond the pool */
    refuse_half(44, LARGE);             /* no size of a pool */
    refuse_half(8, 0x1000);             /* a free block elsewhere */
    refuse_half(32, UINT32_MAX);        /* an arena of no number */
    refuse_half(16, 0x1001);            /* no neighbour */
}

TEST(a_list_of_free_blocks_that_leaves_the_pool_or_returns_ends) {
    struct seen seen;
    struct pymalloc_totals totals;
    memset(memory, 0, sizeof memory);
    make_pool(memory, LARGE, 32, 3, 5);
    put_word(memory, 8, ADDRESS + HEADER + 3 * 32);
    put_word(memory, HEADER + 3 * 32, ADDRESS + HEADER + 3 * 32); /* to itself */
    look(memory, sizeof memory, WRITABLE, &seen, &totals);
    CHECK_EQUAL(seen.count, 0);
    put_word(memory, HEADER + 3 * 32, ADDRESS + 2 * LARGE); /* out of it */
    look(memory, sizeof memory, WRITABLE, &seen, &totals);
    CHECK_EQUAL(seen.count, 0);
}

TEST(only_memory_that_arenas_can_lie_in_is_looked_at) {
    struct seen seen;
    struct pymalloc_totals totals;
    memset(memory, 0, sizeof memory);
    make_pool(memory, LARGE, 64, 3, 3);
    look(memory, sizeof memory, SEGMENT_READ, &seen, &totals);
    CHECK_EQUAL(seen.count, 0);
    look(memory, sizeof memory, WRITABLE | SEGMENT_FILE, &seen, &totals);
    CHECK_EQUAL(seen.count, 0);
    look(memory, LARGE - SMALL, WRITABLE, &seen, &totals); /* the end of the pool is missing */
    CHECK_EQUAL(seen.count, 0);
}

struct pools {
    uint64_t sizes[4], used[4];
    size_t count;
};

static void see_pool(void *context, remote_address address, uint64_t size, uint64_t used) {
    struct pools *pools = context;
    CHECK_EQUAL(address % size, 0);
    pools->sizes[pools->count % 4] = size;
    pools->used[pools->count++ % 4] = used;
}

TEST(pools_are_told_with_what_is_used_of_them_and_emptied_ones_too) {
    struct pools pools = {0};
    memset(memory, 0, sizeof memory); /* what was never used is no pool */
    make_pool(memory, LARGE, 64, 3, 5);
    make_pool(memory + LARGE, LARGE, 32, 0, 7);
    make_pool(memory + 2 * LARGE, SMALL, 512, 2, 2);
    struct image_bytes piece = {ADDRESS, memory, sizeof memory, WRITABLE, ""};
    struct image *image;
    CHECK(!image_from_bytes(&piece, 1, &image));
    pymalloc_each_pool(image, see_pool, &pools);
    memory_close(&image->memory);
    CHECK_EQUAL(pools.count, 3);
    CHECK_EQUAL(pools.used[0], 3 * 64);
    CHECK_EQUAL(pools.sizes[0], LARGE);
    CHECK_EQUAL(pools.used[1], 0);
    CHECK_EQUAL(pools.used[2], 2 * 512);
    CHECK_EQUAL(pools.sizes[2], SMALL);
}

TEST_MAIN(RUN(pools_are_told_with_what_is_used_of_them_and_emptied_ones_too);
          RUN(pools_of_both_sizes_are_walked); RUN(free_blocks_are_those_of_the_list);
          RUN(a_header_that_does_not_agree_with_itself_is_none);
          RUN(a_list_of_free_blocks_that_leaves_the_pool_or_returns_ends);
          RUN(only_memory_that_arenas_can_lie_in_is_looked_at);)
