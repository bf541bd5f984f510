/* The range of addresses: blocks against a model that knows only what it wrote. */
#include "agent_world.h"
#include "support/check.h"

#include <sys/mman.h>

enum { BLOCKS = 2000, STEPS = 60000 };

struct held {
    unsigned char *block;
    size_t size;
    unsigned char value;
};

static size_t any_size(void) {
    uint64_t kind = world_random(100);
    if (kind < 80)
        return world_random(600);
    return kind < 97 ? world_random(20000) : world_random(900000);
}

static bool holds(const struct held *held) {
    for (size_t i = 0; i < held->size; i += held->size > 5000 ? 97 : 1)
        if (held->block[i] != held->value)
            return false;
    return !held->size || held->block[held->size - 1] == held->value;
}

static bool is_zero(const unsigned char *block, size_t size) {
    for (size_t i = 0; i < size; i++)
        if (block[i])
            return false;
    return true;
}

static bool take(struct held *held) {
    size_t alignment = world_random(20) ? 16 : (size_t)1 << world_random(17);
    bool zeroed = world_random(4) == 0;
    size_t size = any_size();
    unsigned char *block = agent_take(size, alignment, zeroed, 1);
    *held = (struct held){block, size, (unsigned char)(1 + world_random(255))};
    bool fine = block && (uintptr_t)block % alignment == 0 && (uintptr_t)block % 16 == 0 && agent_in_range(block) &&
                (!zeroed || is_zero(block, size)) && agent_range_usable(block) >= size;
    if (fine)
        memset(block, held->value, size);
    return fine;
}

static void *never(void *context, size_t size) {
    (void)context, (void)size;
    return NULL;
}

static bool resize(struct held *held) {
    size_t size = any_size();
    unsigned char *block = agent_retake(held->block, held->size, size, never, NULL);
    if (!block)
        return false;
    struct held kept = {block, size < held->size ? size : held->size, held->value};
    bool fine = holds(&kept);
    memset(block, held->value, size);
    *held = (struct held){block, size, held->value};
    return fine;
}

static uint64_t walked_count, walked_bytes;

static void count_entry(const struct wire_block *entry) {
    walked_count++;
    walked_bytes += entry->size;
}

TEST(blocks_keep_what_was_written) {
    static struct held held[BLOCKS];
    memset(held, 0, sizeof held);
    world_begin(1, 7);
    bool fine = true;
    for (int step = 0; step < STEPS && fine; step++) {
        struct held *one = &held[world_random(BLOCKS)];
        if (!one->block) {
            fine = take(one);
        } else if (world_random(3) == 0) {
            fine = resize(one);
        } else {
            fine = holds(one);
            agent_release(one->block);
            one->block = NULL;
        }
    }
    CHECK(fine);
    uint64_t count = 0, bytes = 0;
    for (int i = 0; i < BLOCKS; i++)
        if (held[i].block) {
            CHECK(holds(&held[i]));
            count++;
            bytes += held[i].size;
        }
    walked_count = walked_bytes = 0;
    agent_range_walk(count_entry);
    CHECK_EQUAL(walked_count, count);
    CHECK_EQUAL(walked_bytes, bytes);
    CHECK_EQUAL(agent_recording->live_count, count * WIRE_ONE);
    CHECK_EQUAL(agent_recording->live_bytes, bytes * WIRE_ONE);
}

TEST(a_walk_by_the_recording_s_rules_finds_every_block) {
    world_begin(1, 8);
    for (int i = 0; i < 5000; i++) {
        void *block = agent_take(any_size(), 16, false, 1);
        if (i % 3)
            agent_release(block);
    }
    const char *base = (const char *)agent_recording->range_base;
    uint64_t live = 0, odd = 0;
    for (uint64_t at = 0; at < agent_recording->range_used;) {
        const struct wire_span *span = (const struct wire_span *)(base + at);
        const struct wire_block *blocks = (const struct wire_block *)(span + 1);
        odd += span->magic != WIRE_SPAN_MAGIC || !span->length || span->length % AGENT_SPAN_SIZE;
        odd += span->first + (uint64_t)span->count * span->block_size > span->length;
        for (uint32_t i = 0; i < span->count; i++)
            live += blocks[i].stack != 0;
        at += span->length;
    }
    CHECK_EQUAL(odd, 0);
    CHECK_EQUAL(live, agent_recording->live_count / WIRE_ONE);
}

TEST(what_is_no_block_is_left_alone) {
    world_begin(1, 9);
    char *block = agent_take(100, 16, false, 1);
    CHECK(agent_range_entry(block) != NULL);
    CHECK(agent_range_entry(block + 16) == NULL);
    CHECK(agent_range_entry((char *)agent.range_base + agent.range_size - 16) == NULL);
    CHECK(!agent_release(block + 16));
    CHECK_EQUAL(agent_recording->live_count, WIRE_ONE);
}

TEST(memory_that_was_freed_serves_again) {
    world_begin(1, 10);
    void *blocks[64];
    for (int round = 0; round < 200; round++) {
        for (int i = 0; i < 64; i++)
            blocks[i] = agent_take((size_t)(round % 7 + 1) * 9000, 16, false, 1);
        for (int i = 0; i < 64; i++)
            agent_release(blocks[i]);
    }
    /* 64 blocks of each of seven lengths. */
    CHECK(agent.range_used <= (size_t)64 * 7 * 2 * AGENT_SPAN_SIZE);
    CHECK_EQUAL(agent_recording->live_bytes, 0);
}

/* Bytes of the range that have pages. */
static size_t resident(void) {
    static unsigned char pages[(size_t)512 << 20 >> 12];
    size_t length = agent.range_used, count = 0;
    CHECK(length >> 12 <= sizeof pages && mincore((void *)agent.range_base, length, pages) == 0);
    for (size_t i = 0; i < length >> 12; i++)
        count += pages[i] & 1;
    return count << 12;
}

static void *take_and_write(size_t size) {
    void *block = agent_take(size, 16, false, 512 << 10);
    CHECK(block != NULL);
    return memset(block, 1, size);
}

TEST(pages_of_large_blocks_wait_for_the_next) {
    static const size_t sizes[] = {200 << 10, 1 << 20, 7 << 20, 20 << 20};
    world_begin(512 << 10, 11);
    agent.options.memory = 16 << 20;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        void *block = take_and_write(sizes[i]);
        agent_release(block);
        CHECK(resident() >= sizes[i]);
        CHECK(agent_take(sizes[i], 16, false, 512 << 10) == block);
        agent_release(block);
    }
    agent_release(take_and_write(60 << 20));
    CHECK(resident() < 1 << 20);
}

TEST(pages_that_wait_stay_inside_the_agent_s_memory) {
    void *blocks[100];
    world_begin(512 << 10, 12);
    agent.options.memory = 16 << 20;
    for (int i = 0; i < 100; i++)
        blocks[i] = take_and_write((size_t)(i % 9 + 1) << 18);
    for (int i = 0; i < 100; i++)
        agent_release(blocks[i]);
    CHECK(resident() <= 20 << 20); /* heads, and huge pages where they come by themselves */
    CHECK(agent.idle <= 16 << 20);
}

TEST_MAIN(RUN(blocks_keep_what_was_written); RUN(a_walk_by_the_recording_s_rules_finds_every_block);
          RUN(what_is_no_block_is_left_alone); RUN(memory_that_was_freed_serves_again);
          RUN(pages_of_large_blocks_wait_for_the_next); RUN(pages_that_wait_stay_inside_the_agent_s_memory);)
