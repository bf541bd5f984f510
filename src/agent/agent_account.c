/* What each stack allocated: live, total, at the peak, by age; and all of them over time. */
#include "agent/agent_stack.h"
#include "agent/agent_work.h"

#include <string.h>
#include <time.h>

enum { FIRST_COHORT_WIDTH = 128, FIRST_MOMENT_STEP = 64 }; /* milliseconds */

uint32_t agent_now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &time);
    uint64_t now = (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
    uint64_t begin = agent_recording ? agent_recording->clock : 0;
    return now > begin ? (uint32_t)((now - begin) / 1000000u) : 0;
}

/* e^x - 1 for x from -40 to 0, without the mathematical library: a series where it converges, then doubled. */
static double exponential_minus_one(double x) {
    int halvings = 0;
    for (; x < -0.0625; halvings++)
        x /= 2;
    double sum = x * (1 + x / 2 * (1 + x / 3 * (1 + x / 4 * (1 + x / 5 * (1 + x / 6 * (1 + x / 7))))));
    for (; halvings > 0; halvings--)
        sum = sum * (2 + sum);
    return sum;
}

uint64_t agent_weight(uint64_t size, uint64_t interval) {
    double mean = ((double)size + 1) / (double)(interval ? interval : 1);
    if (interval <= 1 || mean > 40)
        return WIRE_ONE;
    return (uint64_t)(WIRE_ONE / -exponential_minus_one(-mean) + 0.5);
}

static struct wire_stack *stack_at(uint32_t stack) {
    struct wire_stack *stacks = agent_region(agent_recording, WIRE_STACKS);
    return &stacks[stack < agent_recording->regions[WIRE_STACKS].used ? stack : 0];
}

/* Before a stack changes below the peak it keeps what it had there. */
static void keep_peak(const struct wire_head *head, struct wire_stack *stack) {
    if (stack->peak_generation == head->peak_generation)
        return;
    stack->peak_bytes = stack->live_bytes;
    stack->peak_count = stack->live_count;
    stack->peak_generation = head->peak_generation;
}

static void new_peak(struct wire_head *head, uint32_t now) {
    head->peak_generation++;
    head->peak_bytes = head->live_bytes;
    head->peak_count = head->live_count;
    head->peak_time = now;
}

static unsigned cohort_of(const struct wire_head *head, uint32_t born) {
    uint64_t cohort = born >> __builtin_ctzll(head->cohort_width); /* a power of two */
    return cohort < WIRE_COHORTS ? (unsigned)cohort : WIRE_COHORTS - 1;
}

/* Two cohorts become one, in every stack, until the present has a place. */
static void widen_cohorts(struct wire_head *head, uint32_t now) {
    struct wire_stack *stacks = agent_region(head, WIRE_STACKS);
    while (now / head->cohort_width >= WIRE_COHORTS) {
        for (uint32_t i = 0; i < head->regions[WIRE_STACKS].used; i++)
            for (unsigned to = 0; to < WIRE_COHORTS; to++) {
                bool both = 2 * to + 1 < WIRE_COHORTS;
                struct wire_stack *stack = &stacks[i];
                stack->cohort_bytes[to] = both ? stack->cohort_bytes[2 * to] + stack->cohort_bytes[2 * to + 1] : 0;
                stack->cohort_samples[to] = both ? stack->cohort_samples[2 * to] + stack->cohort_samples[2 * to + 1] : 0;
            }
        head->cohort_width *= 2;
    }
}

/* Every second moment goes, the rest stand twice as far apart. */
static void thin_timeline(struct wire_head *head) {
    struct wire_moment *moments = agent_region(head, WIRE_TIMELINE);
    uint32_t kept = 0;
    for (uint32_t i = 1; i < head->regions[WIRE_TIMELINE].used; i += 2)
        moments[kept++] = moments[i];
    __atomic_store_n(&head->regions[WIRE_TIMELINE].used, kept, __ATOMIC_RELEASE);
    agent.moment_step *= 2;
}

uint64_t agent_bytes(void) {
    uint64_t bytes = WIRE_HEAD_SIZE + agent.overhead + agent_stack_bytes();
    for (int i = 0; i < WIRE_REGIONS; i++)
        bytes += agent.backed[i];
    return bytes;
}

static void note_moment(struct wire_head *head, uint32_t now) {
    if (head->regions[WIRE_TIMELINE].used == head->regions[WIRE_TIMELINE].capacity)
        thin_timeline(head);
    uint32_t index = agent_region_take(head, WIRE_TIMELINE, 1);
    agent.moment_next = now + agent.moment_step;
    head->agent_bytes = agent_bytes();
    if (index == UINT32_MAX)
        return;
    struct wire_moment *moments = agent_region(head, WIRE_TIMELINE);
    moments[index] = (struct wire_moment){now, head->live_bytes, head->total_bytes};
    agent_region_publish(head, WIRE_TIMELINE, 1);
}

bool agent_account_begin(void) {
    struct wire_head *head = agent_recording;
    head->cohort_width = FIRST_COHORT_WIDTH;
    agent.moment_step = FIRST_MOMENT_STEP;
    agent.moment_next = 0;
    /* The root of all stacks, and the stack of what found no room; a new file is all zeros. */
    if (agent_region_take(head, WIRE_PLACES, 1) || agent_region_take(head, WIRE_FRAMES, 1) ||
        agent_region_take(head, WIRE_STACKS, 1))
        return false;
    agent_region_publish(head, WIRE_PLACES, 1);
    agent_region_publish(head, WIRE_FRAMES, 1);
    agent_region_publish(head, WIRE_STACKS, 1);
    return true;
}

static void tick(struct wire_head *head, uint32_t now) {
    head->now = now;
    if (now / head->cohort_width >= WIRE_COHORTS)
        widen_cohorts(head, now);
    if (now >= agent.moment_next)
        note_moment(head, now);
}

static void count_live(struct wire_stack *stack, uint64_t bytes, uint64_t count, unsigned cohort) {
    stack->live_bytes += bytes;
    stack->live_count += count;
    stack->total_bytes += bytes;
    stack->total_count += count;
    stack->samples++;
    stack->samples_live++;
    stack->cohort_bytes[cohort] += bytes;
    stack->cohort_samples[cohort]++;
}

void agent_account_birth(uint32_t index, uint64_t size, uint64_t interval, uint32_t born) {
    struct wire_head *head = agent_recording;
    struct wire_stack *stack = stack_at(index);
    uint64_t weight = interval <= 1 ? WIRE_ONE : agent_weight(size, interval);
    if (AGENT_UNLIKELY(born != head->now))
        tick(head, born);
    keep_peak(head, stack);
    count_live(stack, weight * size, weight, cohort_of(head, born));
    head->samples++;
    head->total_bytes += weight * size;
    head->total_count += weight;
    head->live_bytes += weight * size;
    head->live_count += weight;
    if (head->live_bytes > head->peak_bytes)
        new_peak(head, born);
}

void agent_account_death(uint32_t index, uint64_t size, uint64_t interval, uint32_t born) {
    struct wire_head *head = agent_recording;
    struct wire_stack *stack = stack_at(index);
    uint64_t weight = interval <= 1 ? WIRE_ONE : agent_weight(size, interval);
    unsigned cohort = cohort_of(head, born);
    keep_peak(head, stack);
    stack->live_bytes -= weight * size;
    stack->live_count -= weight;
    stack->samples_live--;
    stack->cohort_bytes[cohort] -= weight * size;
    stack->cohort_samples[cohort]--;
    head->samples_freed++;
    head->live_bytes -= weight * size;
    head->live_count -= weight;
}

static void count_again(const struct wire_block *entry) {
    struct wire_head *head = agent_recording;
    uint64_t weight = agent_weight(entry->size, entry->interval);
    count_live(stack_at(entry->stack), weight * entry->size, weight, cohort_of(head, entry->born));
    head->samples++;
    head->live_bytes += weight * entry->size;
    head->live_count += weight;
}

void agent_account_rebuild(void (*walk_more)(void (*each)(const struct wire_block *entry))) {
    struct wire_head *head = agent_recording;
    struct wire_stack *stacks = agent_region(head, WIRE_STACKS);
    for (uint32_t i = 0; i < head->regions[WIRE_STACKS].used; i++) {
        uint32_t frame = stacks[i].frame;
        memset(&stacks[i], 0, sizeof stacks[i]);
        stacks[i].frame = frame;
    }
    head->live_bytes = head->live_count = head->samples = head->samples_freed = 0;
    head->peak_generation = 1;
    agent_range_walk(count_again);
    walk_more(count_again);
    head->total_bytes = head->live_bytes;
    head->total_count = head->live_count;
    head->peak_bytes = 0;
    new_peak(head, agent_now());
}
