/* Which allocations are taken: Poisson by bytes, as dear as the budget allows. */
#include "agent/agent_work.h"

#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { IDLE_GAP = 64 << 10 }; /* bytes: after so many a thread looks whether sampling has begun again */

/* Nanoseconds. A sample that takes longer was put aside for other processes. What follows it costs more than the sample
 * itself: its end, and what the program has to fetch into its caches again (docs/BENCHMARKS.md). */
enum { BUDGET_PERIOD = 100000000, COST_LIMIT = 20000, COST_AFTERWARDS = 20000 };

#define LONGEST_GAP ((int64_t)1 << 46)
#define LONGEST_INTERVAL ((uint64_t)1 << 40)

uint64_t agent_clock(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

/* Splitmix: one word of state, any seed. */
uint64_t agent_random(void) {
    if (!agent_thread.random)
        agent_thread.random = agent_clock() * 0x9e3779b97f4a7c15u ^ (uint64_t)(uintptr_t)&agent_thread;
    uint64_t mixed = agent_thread.random += 0x9e3779b97f4a7c15u;
    mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9u;
    mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111ebu;
    return mixed ^ mixed >> 31;
}

/* -ln(u) for u = (number + 1/2) / 2^53, without the mathematical library: the exponent, and a series of the rest. */
static double exponential_variate(uint64_t number) {
    double u = ((double)(number >> 11) + 0.5);
    int halvings = 0;
    for (uint64_t top = number >> 11; top > 1; top >>= 1)
        halvings++;
    double rest = u / (double)((uint64_t)1 << halvings); /* 1 to 2 */
    double ratio = (rest - 1) / (rest + 1), square = ratio * ratio, sum = 0;
    for (int i = 25; i >= 1; i -= 2)
        sum = sum * square + 1.0 / i;
    return 0.6931471805599453 * (53 - halvings) - 2 * ratio * sum;
}

int64_t agent_gap(uint64_t interval) {
    if (interval <= 1)
        return 0;
    double gap = exponential_variate(agent_random()) * (double)interval;
    return gap < (double)LONGEST_GAP ? (int64_t)gap : LONGEST_GAP;
}

static void draw(void) {
    bool sampling = AGENT_READ(agent.phase) == AGENT_SAMPLING;
    agent_thread.interval = sampling ? AGENT_READ(agent.interval) : 0;
    agent_thread.countdown = sampling ? agent_gap(agent_thread.interval) : IDLE_GAP;
}

/* Twice the interval halves the cost, and what new samples need of memory. It comes back as far as half of the budget
 * would do, at once: after a burst samples are rare, and each may be the only one for long. */
static uint64_t fitting_interval(double share) {
    uint64_t interval = agent.interval, bytes = agent_bytes(), memory = agent.options.memory;
    double budget = agent.options.budget;
    bool full = bytes > memory || agent_beside_is_crowded();
    if (full && interval < LONGEST_INTERVAL) {
        interval *= 2;
        share /= 2;
    }
    for (; share > budget && interval < LONGEST_INTERVAL; share /= 2)
        interval *= 2;
    for (; share < budget / 4 && !full && interval > agent.options.interval; share *= 2) {
        interval /= 2;
        full = bytes > memory / 2; /* one step, and another look */
    }
    return interval;
}

static void keep_budget(uint64_t now) {
    uint64_t passed = now - agent.cost_since;
    if (passed < BUDGET_PERIOD)
        return;
    uint64_t interval = fitting_interval((double)agent.cost / (double)passed);
    AGENT_WRITE(agent.interval, interval);
    agent_recording->interval = interval;
    agent.cost = 0;
    agent.cost_since = now;
}

void agent_spend(uint64_t begin) {
    uint64_t end = agent_clock();
    agent.cost += (end - begin < COST_LIMIT ? end - begin : COST_LIMIT) + COST_AFTERWARDS;
    keep_budget(end);
}

bool agent_draws_sample(size_t size, uint64_t *interval_out) {
    *interval_out = 1;
    if (agent.every_byte)
        return AGENT_READ(agent.phase) == AGENT_SAMPLING;
    if ((agent_thread.countdown -= (int64_t)size + 1) >= 0)
        return false;
    if (!agent_thread.interval) { /* a thread's first, or nobody sampled until now */
        draw();
        if (!agent_thread.interval || (agent_thread.countdown -= (int64_t)size + 1) >= 0)
            return false;
    }
    *interval_out = agent_thread.interval;
    draw();
    return true;
}

static void *take_locked(size_t size, size_t alignment, bool zeroed, uint64_t interval) {
    struct wire_block *entry;
    uint32_t stack = agent_stack_here();
    void *block = agent_range_allocate(size, alignment, zeroed, &entry);
    if (!block)
        return NULL;
    uint32_t now = agent_now();
    *entry = (struct wire_block){stack, now, size, interval};
    agent_account_birth(stack, size, interval, now);
    AGENT_WRITE(agent.live_samples, agent.live_samples + 1);
    return block;
}

void *agent_take(size_t size, size_t alignment, bool zeroed, uint64_t interval) {
    if (!agent_enter())
        return NULL;
    void *block = agent.phase == AGENT_SAMPLING ? take_locked(size, alignment, zeroed, interval) : NULL;
    agent_leave();
    return block;
}

void *agent_sample(size_t size, size_t alignment, bool zeroed) {
    if (agent_thread.inside) {
        agent_thread.countdown += (int64_t)size + 1;
        return NULL;
    }
    if (!agent_thread.interval) { /* a thread's first, or nobody sampled until now */
        draw();
        if (!agent_thread.interval || (agent_thread.countdown -= (int64_t)size + 1) >= 0)
            return NULL;
    }
    uint64_t interval = agent_thread.interval, begin = agent_clock();
    agent_enter();
    void *block = agent.phase == AGENT_SAMPLING ? take_locked(size, alignment, zeroed, interval) : NULL;
    agent_spend(begin);
    draw();
    agent_leave();
    return block;
}

/* Under the lock. What lived when Python began to end counts as alive for ever. */
void agent_count_death(const struct wire_block *entry) {
    if (AGENT_UNLIKELY(agent.phase == AGENT_FINISHED) || entry->interval & AGENT_UNCOUNTED)
        return;
    if (agent_python_is_ending()) {
        AGENT_WRITE(agent.phase, AGENT_FINISHED);
        agent_recording->state = WIRE_STOPPED;
        return;
    }
    agent_account_death(entry->stack, entry->size, entry->interval, entry->born);
}

static bool release_locked(void *block) {
    struct wire_block *entry = agent_range_entry(block);
    if (!entry)
        return false;
    agent_count_death(entry);
    agent_range_free(block);
    AGENT_WRITE(agent.live_samples, agent.live_samples - 1);
    return true;
}

static void leave_for_later(void *block) {
    void *next = __atomic_load_n(&agent.left, __ATOMIC_RELAXED);
    do
        memcpy(block, &next, sizeof next);
    while (!__atomic_compare_exchange_n(&agent.left, &next, block, true, __ATOMIC_RELEASE, __ATOMIC_RELAXED));
}

static void release_left(void) {
    void *block = __atomic_exchange_n(&agent.left, NULL, __ATOMIC_ACQUIRE);
    while (block) {
        void *next;
        memcpy(&next, block, sizeof next);
        release_locked(block);
        block = next;
    }
}

bool agent_release(void *block) {
    if (!agent_enter()) {
        bool ours = agent_range_entry(block) != NULL;
        if (ours)
            leave_for_later(block);
        return ours;
    }
    bool ours = release_locked(block);
    if (AGENT_UNLIKELY(AGENT_READ(agent.left)))
        release_left();
    agent_leave();
    return ours;
}

/* Whether the new size is sampled is decided anew: only so is the estimate without bias. */
static bool stays_sample(size_t size, uint64_t *interval_out) {
    *interval_out = agent.every_byte ? 1 : agent_thread.interval ? agent_thread.interval : AGENT_READ(agent.interval);
    if (AGENT_READ(agent.phase) != AGENT_SAMPLING)
        return false;
    return agent.every_byte || agent_gap(*interval_out) < (int64_t)size + 1;
}

/* Without a copy, under the lock. */
static void *resize_locked(void *block, size_t size, uint64_t interval) {
    struct wire_block *entry = agent_range_entry(block);
    void *resized = entry ? agent_range_resize(block, entry->size, size) : NULL;
    if (!resized)
        return NULL;
    uint32_t stack = agent_stack_here(), now = agent_now();
    entry = agent_range_entry(resized);
    agent_count_death(entry);
    *entry = (struct wire_block){stack, now, size, interval};
    agent_account_birth(stack, size, interval, now);
    return resized;
}

/* The old block dies before the new one is born: the peak must not have both. */
static void *move_locked(void *block, size_t size, uint64_t interval) {
    struct wire_block *entry = agent_range_entry(block), old = {0};
    if (entry) {
        old = *entry;
        agent_count_death(entry);
        entry->interval |= AGENT_UNCOUNTED;
    }
    void *moved = take_locked(size, AGENT_ALIGNMENT, false, interval);
    if (!moved && entry && !(old.interval & AGENT_UNCOUNTED)) {
        *entry = old;
        agent_account_birth(old.stack, old.size, old.interval, old.born);
    }
    return moved;
}

bool agent_owns(void *block, size_t *size_out) {
    bool entered = agent_enter();
    const struct wire_block *entry = agent_range_entry(block);
    *size_out = entry ? entry->size : 0;
    if (entered)
        agent_leave();
    return entry;
}

void *agent_retake(void *block, size_t old, size_t size, void *(*outside)(void *context, size_t size), void *context) {
    uint64_t interval;
    void *moved = NULL;
    if (stays_sample(size, &interval) && agent_enter()) {
        void *resized = resize_locked(block, size, interval);
        moved = resized ? resized : move_locked(block, size, interval);
        agent_leave();
        if (resized)
            return resized;
    }
    if (!moved && !(moved = outside(context, size)))
        return NULL;
    memcpy(moved, block, old < size ? old : size);
    agent_release(block);
    return moved;
}

void agent_object_ends(void *object) {
    uint8_t *mark;
    struct wire_block *entry = agent_range_holding(object, &mark);
    if (!entry || entry->interval & AGENT_UNCOUNTED || !agent_enter())
        return;
    agent_count_death(entry);
    entry->interval |= AGENT_UNCOUNTED;
    entry->stack = 0;
    agent_leave();
}

/* The first object of a block is counted already. That an object has ended is not always told: CPython's
 * interpreter ends floats and ints by itself (Python/ceval_macros.h: _Py_DECREF_SPECIALIZED). */
void agent_object_begins(void *object) {
    uint8_t *mark;
    struct wire_block *entry = agent_range_holding(object, &mark);
    if (entry && !*mark) {
        *mark = 1;
        return;
    }
    if (!entry || !agent_enter())
        return;
    agent_count_death(entry);
    if (agent.phase == AGENT_SAMPLING) {
        *entry = (struct wire_block){agent_stack_here(), agent_now(), entry->size, entry->interval & ~AGENT_UNCOUNTED};
        agent_account_birth(entry->stack, entry->size, entry->interval, entry->born);
        agent_recording->reborn++;
    }
    agent_leave();
}
