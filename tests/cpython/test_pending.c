/* Queues of pending calls in our own memory: what is put in comes out where it was, and nothing is touched that
 * somebody is at work on. Two kinds: a ring with a flag and a semaphore, a ring with a count and a mutex. */
#include "cpython/layout.h"
#include "cpython/pending.h"
#include "support/check.h"

#include <semaphore.h>
#include <unistd.h>

enum { CAPACITY = 8 };

struct call {
    uint64_t function, argument, flags;
};

/* As struct _pending_calls, its words in an order of our own. */
static struct {
    uint64_t lock;
    uint32_t mutex, signal, most;
    struct call calls[CAPACITY];
    uint32_t first, last;
} queue;
static struct {
    uint64_t threads;
    uint32_t breaker;
} interpreter;
static struct {
    uint64_t next, id, breaker;
} threads[3];
static struct {
    uint64_t finalizing, main_thread;
} runtime;
static sem_t semaphore;

static bool read_own(const struct memory *memory, remote_address address, size_t size, void *out) {
    (void)memory;
    if (address < 4096)
        return false;
    memcpy(out, (const void *)address, size);
    return true;
}

static const struct memory_operations operations = {.read = read_own};
static struct memory memory;

#define AT(structure, field) (uint32_t)((char *)&(structure).field - (char *)&(structure))

static struct pending_layout layout_of(bool counts) {
    return (struct pending_layout){
        .runtime_finalizing = AT(runtime, finalizing), .runtime_main_thread = AT(runtime, main_thread),
        .interpreter_threads = AT(interpreter, threads), .thread_next = AT(threads[0], next),
        .thread_id = AT(threads[0], id), .breaker_bit = counts ? 4 : 1,
        .interpreter_breaker = counts ? LAYOUT_NONE : AT(interpreter, breaker),
        .thread_breaker = counts ? AT(threads[0], breaker) : LAYOUT_NONE,
        .queue_lock = counts ? LAYOUT_NONE : AT(queue, lock), .queue_mutex = counts ? AT(queue, mutex) : LAYOUT_NONE,
        .queue_signal = AT(queue, signal), .queue_most = AT(queue, most), .queue_counts = counts,
        .queue_last = AT(queue, last), .queue_first = AT(queue, first), .queue_calls = AT(queue, calls),
        .queue_capacity = CAPACITY, .call_size = sizeof(struct call), .call_function = AT(queue.calls[0], function),
        .call_argument = AT(queue.calls[0], argument),
    };
}

/* An empty queue that begins at slot `begin`. */
static struct pending make(const struct pending_layout *layout, uint32_t begin) {
    memset(&queue, 0, sizeof queue);
    memset(threads, 0, sizeof threads);
    sem_init(&semaphore, 0, 1);
    queue.lock = (uint64_t)&semaphore;
    queue.most = CAPACITY;
    queue.first = queue.last = begin;
    threads[0].next = (uint64_t)&threads[1];
    threads[1].next = (uint64_t)&threads[2];
    threads[1].id = threads[2].id = runtime.main_thread = 77;
    threads[0].breaker = 2;
    interpreter.threads = (uint64_t)&threads[0];
    interpreter.breaker = 0;
    runtime.finalizing = 0;
    memory = (struct memory){.operations = &operations, .pid = getpid()};
    return (struct pending){&memory, layout, (remote_address)&runtime, (remote_address)&interpreter, (remote_address)&queue};
}

/* What CPython does to take a call out: _pop_pending_call. */
static uint64_t pop(bool counts) {
    if (counts ? queue.signal == 0 : queue.first == queue.last)
        return 0;
    uint64_t function = queue.calls[queue.first].function;
    queue.calls[queue.first] = (struct call){0};
    queue.first = (queue.first + 1) % CAPACITY;
    queue.signal -= counts;
    return function;
}

static void push(bool counts, uint64_t function, uint64_t argument) {
    queue.calls[queue.last] = (struct call){function, argument, 9};
    queue.last = (queue.last + 1) % CAPACITY;
    queue.signal = counts ? queue.signal + 1 : 1;
}

static const struct pending_call ours[] = {{1001, 5}, {1002, 5}};

static void check_kind(bool counts) {
    struct pending_layout layout = layout_of(counts);
    for (uint32_t begin = 0; begin < CAPACITY; begin++) {
        struct pending pending = make(&layout, begin);
        push(counts, 11, 1);
        CHECK(pending_obstacle(&pending) == NULL);
        CHECK(pending_push(&pending, ours, 2));
        push(counts, 12, 2);
        CHECK_EQUAL(pending_count(&pending, 5), 2);
        CHECK_EQUAL(queue.signal, counts ? 4 : 1);
        CHECK_EQUAL(interpreter.breaker, counts ? 0 : 1);
        CHECK_EQUAL(threads[0].breaker, counts ? 6 : 2);
        CHECK_EQUAL(threads[2].breaker, counts ? 4 : 0);
        const uint64_t expected[] = {11, 1001, 1002, 12, 0};
        for (int i = 0; i < 5; i++) {
            CHECK_EQUAL(pop(counts), expected[i]);
            CHECK_EQUAL(pending_count(&pending, 5), i == 0 ? 2 : i == 1 ? 1 : 0);
        }
    }
}

static void check_removal(bool counts) {
    struct pending_layout layout = layout_of(counts);
    for (uint32_t begin = 0; begin < CAPACITY; begin++) {
        struct pending pending = make(&layout, begin);
        push(counts, 11, 1);
        CHECK(pending_push(&pending, ours, 2));
        push(counts, 12, 2);
        push(counts, 13, 3);
        CHECK(pending_remove(&pending, 5));
        CHECK_EQUAL(pending_count(&pending, 5), 0);
        const uint64_t expected[] = {11, 12, 13, 0};
        for (int i = 0; i < 4; i++)
            CHECK_EQUAL(pop(counts), expected[i]);
    }
}

TEST(calls_come_out_in_order) {
    check_kind(false);
    check_kind(true);
}

TEST(calls_are_taken_out_again) {
    check_removal(false);
    check_removal(true);
}

TEST(a_queue_that_is_full_is_left_alone) {
    for (int counts = 0; counts < 2; counts++) {
        struct pending_layout layout = layout_of(counts);
        struct pending pending = make(&layout, 3);
        for (uint64_t i = 0; i < CAPACITY - 1; i++)
            push(counts, 100 + i, 0);
        CHECK(pending_obstacle(&pending) != NULL);
        CHECK(!pending_push(&pending, ours, 2));
        for (uint64_t i = 0; i < CAPACITY - 1; i++)
            CHECK_EQUAL(pop(counts), 100 + i);
    }
}

TEST(a_queue_at_work_is_left_alone) {
    struct pending_layout layout = layout_of(false);
    struct pending pending = make(&layout, 0);
    sem_wait(&semaphore);
    CHECK_TEXT(pending_obstacle(&pending), "is at work on its pending calls");
    CHECK(!pending_push(&pending, ours, 2) && !pending_remove(&pending, 5));
    CHECK_EQUAL(pending_count(&pending, 5), -1);
    sem_post(&semaphore);
    CHECK(pending_push(&pending, ours, 2));
    layout = layout_of(true);
    pending = make(&layout, 0);
    queue.mutex = 1;
    CHECK_TEXT(pending_obstacle(&pending), "is at work on its pending calls");
    CHECK(!pending_push(&pending, ours, 2));
    queue.mutex = 0;
    CHECK(pending_push(&pending, ours, 2));
}

TEST(a_queue_that_makes_no_sense_is_left_alone) {
    struct pending_layout layout = layout_of(true);
    struct pending pending = make(&layout, 0);
    queue.signal = 3; /* but there is none between first and last */
    CHECK(pending_obstacle(&pending) != NULL);
    CHECK(!pending_push(&pending, ours, 2));
    pending = make(&layout, 0);
    queue.most = CAPACITY + 1;
    CHECK(!pending_push(&pending, ours, 2));
    pending = make(&layout, 0);
    queue.last = CAPACITY;
    CHECK(!pending_push(&pending, ours, 2));
    layout = layout_of(false);
    pending = make(&layout, 0);
    interpreter.breaker = 5;
    CHECK(!pending_push(&pending, ours, 2));
}

TEST(an_interpreter_that_ends_is_left_alone) {
    struct pending_layout layout = layout_of(false);
    struct pending pending = make(&layout, 0);
    runtime.finalizing = 1;
    CHECK_TEXT(pending_obstacle(&pending), "is ending");
}

TEST(the_oldest_state_of_the_main_thread_is_its_own) {
    struct pending_layout layout = layout_of(true);
    struct pending pending = make(&layout, 0);
    CHECK_EQUAL(pending_main_thread(&pending), (remote_address)&threads[2]);
    CHECK(pending_has_thread(&pending, (remote_address)&threads[1]));
    CHECK(!pending_has_thread(&pending, (remote_address)&threads[1] + 8));
    runtime.main_thread = 78;
    CHECK_EQUAL(pending_main_thread(&pending), 0);
}

TEST_MAIN(RUN(calls_come_out_in_order); RUN(calls_are_taken_out_again); RUN(a_queue_that_is_full_is_left_alone);
          RUN(a_queue_at_work_is_left_alone); RUN(a_queue_that_makes_no_sense_is_left_alone);
          RUN(an_interpreter_that_ends_is_left_alone); RUN(the_oldest_state_of_the_main_thread_is_its_own);)
