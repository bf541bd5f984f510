/* Samples that stay where the program's allocator put them: births, deaths that were not seen, a full table, threads. */
#include "agent_world.h"

#include "agent/agent_beside.h"
#include "support/check.h"

#include <pthread.h>
#include <stdlib.h>

enum { THREADS = 4, STEPS = 20000, SLOTS = 64, MANY = 200000 };

static void begin(uint64_t interval, uint64_t seed) {
    world_begin(interval, seed);
    CHECK_EQUAL(agent_beside_begin(), 0);
}

/* As the hooks do it. */
static void *counted(void *block, size_t size) {
    if ((agent_thread.countdown -= (int64_t)size + 1) < 0)
        agent_beside_born(block, size);
    else if (agent_beside_may_have(block))
        agent_beside_dies(block, NULL);
    return block;
}

static void given_back(void *block) {
    if (agent_beside_may_have(block))
        agent_beside_dies(block, NULL);
    free(block);
}

/* An address that no allocator gave: the table never looks behind it. */
static void *address(size_t number) {
    return (void *)(uintptr_t)(0x7f0000000010 + number * 48);
}

TEST(births_and_deaths_are_counted) {
    struct wire_block entry;
    begin(1, 1);
    world_stack = 3;
    counted(address(1), 100);
    counted(address(2), 20);
    CHECK_EQUAL(world_stack_at(3)->live_bytes, 120 * WIRE_ONE);
    CHECK(agent_beside_dies(address(1), &entry));
    CHECK_EQUAL(entry.size, 100);
    CHECK_EQUAL(entry.stack, 3);
    CHECK(!agent_beside_dies(address(1), &entry));
    CHECK(!agent_beside_dies(address(3), &entry));
    CHECK_EQUAL(world_stack_at(3)->live_bytes, 20 * WIRE_ONE);
    CHECK_EQUAL(agent_recording->live_count, WIRE_ONE);
    agent_beside_clear();
    CHECK_EQUAL(agent_recording->live_count, 0);
    CHECK_EQUAL(agent_recording->total_bytes, 120 * WIRE_ONE);
}

TEST(no_block_is_no_birth) {
    begin(1, 1);
    counted(NULL, 100);
    CHECK_EQUAL(agent_recording->samples, 0);
    void *beside_null = (void *)((uintptr_t)1 << 32 | (uintptr_t)1 << 16); /* the filter cannot tell it from NULL */
    counted(beside_null, 100);
    CHECK(agent_beside_may_have(NULL));
    CHECK(!agent_beside_dies(NULL, NULL));
    CHECK(agent_beside_dies(beside_null, NULL));
}

TEST(an_address_that_is_given_out_again_was_free) {
    begin(1, 1);
    world_stack = 1;
    counted(address(1), 100);
    world_stack = 2;
    counted(address(1), 50); /* a sample itself */
    CHECK_EQUAL(world_stack_at(1)->live_bytes, 0);
    CHECK_EQUAL(world_stack_at(2)->live_bytes, 50 * WIRE_ONE);
    agent.every_byte = false;
    agent_thread.countdown = 1 << 20;
    counted(address(1), 10); /* and one that is none */
    CHECK_EQUAL(agent_recording->live_count, 0);
    CHECK_EQUAL(agent_recording->samples, 2);
}

TEST(a_block_that_could_not_be_resized_lives_on) {
    struct wire_block entry;
    begin(1, 1);
    world_stack = 1;
    counted(address(1), 100);
    CHECK(agent_beside_dies(address(1), &entry));
    agent_beside_lives(address(1), &entry);
    CHECK_EQUAL(world_stack_at(1)->live_bytes, 100 * WIRE_ONE);
    CHECK(agent_beside_dies(address(1), NULL));
    CHECK_EQUAL(agent_recording->live_count, 0);
}

TEST(what_the_agent_itself_asks_for_is_no_sample) {
    begin(1, 1);
    agent_thread.inside = 1;
    counted(address(1), 100);
    agent_thread.inside = 0;
    CHECK_EQUAL(agent_recording->samples, 0);
}

TEST(nothing_is_counted_after_the_stop) {
    begin(1, 1);
    counted(address(1), 100);
    agent.phase = AGENT_STOPPED;
    counted(address(2), 100);
    CHECK_EQUAL(agent_recording->samples, 1);
    CHECK(agent_beside_dies(address(1), NULL));
    CHECK(!agent_beside_dies(address(2), NULL));
}

static uint64_t walked;

static void count_one(const struct wire_block *entry) {
    walked += entry->size;
}

/* The bound on memory is kept, what did not fit is told, and what did is found. */
TEST(a_full_table_refuses) {
    begin(1, 1);
    world_stack = 1;
    CHECK(!agent_beside_is_crowded());
    for (size_t i = 0; i < MANY; i++)
        counted(address(i), 8);
    uint64_t refused = agent_recording->regions[WIRE_STACKS].refused, taken = agent_recording->samples;
    CHECK(refused > 0 && agent_beside_is_crowded());
    CHECK_EQUAL(taken + refused, MANY);
    CHECK(taken * (sizeof(struct wire_block) + sizeof(void *)) <= agent.options.memory / 4 && taken > MANY / 2);
    walked = 0;
    agent_beside_walk(count_one);
    CHECK_EQUAL(walked, 8 * taken);
    size_t died = 0;
    for (size_t i = 0; i < MANY; i++)
        died += agent_beside_dies(address(i), NULL);
    CHECK_EQUAL(died, taken);
    CHECK_EQUAL(agent_recording->live_bytes, 0);
    CHECK(!agent_beside_is_crowded());
}

static void *slots[SLOTS];

/* One in eight frees goes by a way that nobody watches. */
static void *run(void *argument) {
    unsigned seed = (unsigned)(uintptr_t)argument;
    world_stack = 1 + seed % (WORLD_STACKS - 1);
    for (int i = 0; i < STEPS; i++) {
        size_t size = (size_t)(rand_r(&seed) % 500 + 1);
        void *block = counted(malloc(size), size);
        void *old = __atomic_exchange_n(&slots[rand_r(&seed) % SLOTS], block, __ATOMIC_ACQ_REL);
        if (i % 8 == 0)
            free(old);
        else
            given_back(old);
    }
    return NULL;
}

TEST(threads_share_blocks) {
    begin(700, 11);
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, run, (void *)(uintptr_t)(i + 1));
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < SLOTS; i++)
        given_back(slots[i]);
    CHECK(agent_recording->samples > THREADS * STEPS / 8);
    agent_beside_clear();
    CHECK_EQUAL(agent_recording->live_bytes, 0);
    CHECK_EQUAL(agent_recording->live_count, 0);
    CHECK_EQUAL(agent_recording->samples, agent_recording->samples_freed);
}

TEST_MAIN(RUN(births_and_deaths_are_counted); RUN(no_block_is_no_birth); RUN(an_address_that_is_given_out_again_was_free);
          RUN(a_block_that_could_not_be_resized_lives_on); RUN(what_the_agent_itself_asks_for_is_no_sample);
          RUN(nothing_is_counted_after_the_stop); RUN(a_full_table_refuses); RUN(threads_share_blocks);)
