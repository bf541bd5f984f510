/* Threads that take, resize and free each other's blocks, die, and are interrupted; clean under TSan too. */
#include "agent_world.h"
#include "support/check.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

enum { THREADS = 6, ROUNDS = 4, STEPS = 4000, SLOTS = 64 };

static void *slots[SLOTS];

static void *outside(void *context, size_t size) {
    (void)context;
    return malloc(size);
}

static void give_up(void *block) {
    if (agent_in_range(block))
        agent_release(block);
    else
        free(block);
}

static void *ask(size_t size) {
    void *block = NULL;
    if ((agent_thread.countdown -= (int64_t)size + 1) < 0)
        block = agent_sample(size, 16, false);
    return block ? block : malloc(size);
}

static void *run(void *argument) {
    unsigned seed = (unsigned)(uintptr_t)argument;
    world_stack = 1 + seed % (WORLD_STACKS - 1);
    for (int i = 0; i < STEPS; i++) {
        size_t size = (size_t)(rand_r(&seed) % 3000 + 1);
        char *block = ask(size);
        memset(block, (int)seed, size);
        if (agent_in_range(block) && i % 4 == 0)
            block = agent_retake(block, size, size * 2, outside, NULL);
        void *old = __atomic_exchange_n(&slots[rand_r(&seed) % SLOTS], block, __ATOMIC_ACQ_REL);
        give_up(old);
    }
    return NULL;
}

TEST(threads_share_blocks_and_die) {
    world_begin(2000, 11);
    for (int round = 0; round < ROUNDS; round++) {
        pthread_t threads[THREADS];
        for (int i = 0; i < THREADS; i++)
            pthread_create(&threads[i], NULL, run, (void *)(uintptr_t)(round * THREADS + i + 1));
        for (int i = 0; i < THREADS; i++)
            pthread_join(threads[i], NULL);
    }
    for (int i = 0; i < SLOTS; i++)
        give_up(slots[i]);
    agent_release(agent_take(1, 16, false, 1)); /* takes what was left on the list */
    CHECK_EQUAL(agent_recording->live_bytes, 0);
    CHECK_EQUAL(agent_recording->live_count, 0);
    CHECK_EQUAL(agent_recording->samples, agent_recording->samples_freed);
    CHECK(agent_recording->samples > THREADS * STEPS / 10);
}

static void *volatile offered;
static volatile sig_atomic_t interruptions;

/* A handler that does what no handler should. */
static void on_alarm(int number) {
    (void)number;
    interruptions++;
    void *block = offered;
    offered = NULL;
    if (block)
        agent_release(block);
    void *other = agent_take(64, 16, false, 1);
    if (other)
        agent_release(other);
}

TEST(a_signal_handler_may_allocate_and_free) {
    world_begin(1, 12);
    struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
    sigaction(SIGPROF, &action, NULL);
    timer_t timer;
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGPROF};
    timer_create(CLOCK_MONOTONIC, &event, &timer);
    struct itimerspec often = {{0, 100000}, {0, 100000}};
    timer_settime(timer, 0, &often, NULL);
    for (int i = 0; i < 3000000 && interruptions < 500; i++) {
        if (!offered)
            offered = agent_take(48, 16, false, 1);
        agent_release(agent_take((size_t)(i % 2000), 16, false, 1));
    }
    timer_delete(timer);
    if (offered)
        agent_release(offered);
    agent_release(agent_take(1, 16, false, 1));
    CHECK(interruptions > 10);
    CHECK_EQUAL(agent_recording->live_count, 0);
}

TEST_MAIN(RUN(threads_share_blocks_and_die); RUN(a_signal_handler_may_allocate_and_free);)
