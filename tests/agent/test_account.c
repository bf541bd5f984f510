/* Weights, gaps, the peak, cohorts and the truth of estimates. */
#include "agent_world.h"
#include "samples/samples.h"
#include "support/check.h"

#include <math.h>
#include <stdlib.h>

TEST(a_weight_is_one_over_the_chance_of_being_sampled) {
    static const uint64_t sizes[] = {0, 1, 16, 28, 512, 4096, 100000, 524288, 3000000, 100000000, 1u << 31};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (uint64_t interval = 2; interval < (uint64_t)1 << 33; interval *= 8) {
            double chance = -expm1(-((double)sizes[i] + 1) / (double)interval);
            double weight = (double)agent_weight(sizes[i], interval) / WIRE_ONE;
            CHECK(fabs(weight * chance - 1) < 1e-9 + 0.6 / WIRE_ONE);
        }
    CHECK_EQUAL(agent_weight(123, 1), WIRE_ONE);
}

TEST(gaps_are_exponential) {
    enum { DRAWS = 200000 };
    world_begin(1000, 3);
    double sum = 0, squares = 0;
    int over = 0;
    for (int i = 0; i < DRAWS; i++) {
        double gap = (double)agent_gap(1 << 20);
        sum += gap;
        squares += gap * gap;
        over += gap > 1 << 20;
    }
    double mean = sum / DRAWS / (1 << 20), square = squares / DRAWS / pow(2, 40);
    CHECK(fabs(mean - 1) < 0.01);
    CHECK(fabs(square - 2) < 0.06);
    CHECK(fabs((double)over / DRAWS - exp(-1)) < 0.005);
}

struct model {
    uint64_t live[WORLD_STACKS], at_peak[WORLD_STACKS], total, peak;
};

static uint64_t stack_at_peak(uint32_t stack) {
    const struct wire_stack *one = world_stack_at(stack);
    return one->peak_generation == agent_recording->peak_generation ? one->peak_bytes : one->live_bytes;
}

static void model_change(struct model *model, uint32_t stack, int64_t bytes) {
    model->live[stack] += bytes;
    model->total += bytes;
    if (model->total <= model->peak)
        return;
    model->peak = model->total;
    memcpy(model->at_peak, model->live, sizeof model->live);
}

TEST(every_stack_keeps_what_it_had_at_the_peak) {
    enum { BLOCKS = 300 };
    struct model model = {0};
    uint64_t sizes[BLOCKS] = {0}, wrong = 0;
    uint32_t stacks[BLOCKS];
    world_begin(1, 4);
    for (int step = 0; step < 20000; step++) {
        int i = (int)world_random(BLOCKS);
        /* The tide: more births for a while, then more deaths. */
        bool birth = world_random(100) < (step / 2500 % 2 ? 30u : 70u);
        if (birth && !sizes[i]) {
            sizes[i] = 1 + world_random(1000);
            stacks[i] = 1 + (uint32_t)world_random(WORLD_STACKS - 1);
            agent_account_birth(stacks[i], sizes[i], 1, 5);
            model_change(&model, stacks[i], (int64_t)sizes[i]);
        } else if (!birth && sizes[i]) {
            agent_account_death(stacks[i], sizes[i], 1, 5);
            model_change(&model, stacks[i], -(int64_t)sizes[i]);
            sizes[i] = 0;
        }
        wrong += agent_recording->peak_bytes != model.peak * WIRE_ONE;
        for (uint32_t stack = 1; stack < WORLD_STACKS; stack++)
            wrong += stack_at_peak(stack) != model.at_peak[stack] * WIRE_ONE;
    }
    CHECK_EQUAL(wrong, 0);
    CHECK(model.peak > 50000);
}

static uint64_t cohort_sum(void) {
    uint64_t sum = 0;
    for (uint32_t stack = 0; stack <= WORLD_STACKS; stack++)
        for (unsigned cohort = 0; cohort < WIRE_COHORTS; cohort++)
            sum += world_stack_at(stack)->cohort_bytes[cohort];
    return sum;
}

TEST(cohorts_hold_survivors_by_their_birth) {
    world_begin(1, 5);
    for (uint32_t born = 0; born < 100000; born += 10)
        agent_account_birth(1, 100, 1, born);
    uint64_t width = agent_recording->cohort_width;
    CHECK(width * WIRE_COHORTS >= 100000 && width * WIRE_COHORTS / 2 < 100000);
    for (unsigned cohort = 0; cohort < WIRE_COHORTS; cohort++) {
        uint64_t begin = cohort * width, end = begin + width < 100000 ? begin + width : 100000;
        uint64_t births = begin < 100000 ? (end + 9) / 10 - (begin + 9) / 10 : 0;
        CHECK_EQUAL(world_stack_at(1)->cohort_bytes[cohort], births * 100 * WIRE_ONE);
    }
    for (uint32_t born = 0; born < 50000; born += 10)
        agent_account_death(1, 100, 1, born);
    CHECK_EQUAL(cohort_sum(), agent_recording->live_bytes);
    CHECK_EQUAL(world_stack_at(1)->cohort_bytes[0], 0);
}

TEST(the_timeline_keeps_its_length) {
    world_begin(1, 6);
    for (uint32_t now = 1; now < 400000; now += 7)
        agent_account_birth(1, 1, 1, now);
    const struct wire_region *region = &agent_recording->regions[WIRE_TIMELINE];
    const struct wire_moment *moments = agent_region(agent_recording, WIRE_TIMELINE);
    CHECK(region->used <= region->capacity && region->used >= region->capacity / 2 - 1);
    uint64_t wrong = 0;
    for (uint32_t i = 1; i < region->used; i++)
        wrong += moments[i].time <= moments[i - 1].time || moments[i].live_bytes <= moments[i - 1].live_bytes;
    CHECK_EQUAL(wrong, 0);
    CHECK(moments[region->used - 1].time > 395000);
}

/* One program: small objects and large ones, a part of each kept. What lives is known, and estimated. */
static bool estimate_holds(uint64_t seed) {
    enum { LIVES = 3000 };
    static void *taken[LIVES];
    size_t count = 0;
    double truth = 0, low, high;
    world_begin(20000, seed);
    for (int i = 0; i < 30000; i++) {
        size_t size = 16 + world_random(300);
        bool keeps = world_random(10) == 0;
        void *block = NULL;
        if ((agent_thread.countdown -= (int64_t)size + 1) < 0)
            block = agent_sample(size, 16, false);
        truth += keeps ? (double)size : 0;
        if (block && !keeps)
            agent_release(block);
        else if (block && count < LIVES)
            taken[count++] = block;
    }
    (void)taken;
    double estimate = (double)agent_recording->live_bytes / WIRE_ONE;
    samples_interval(world_stack_at(1)->samples_live, &low, &high);
    return truth >= estimate * low && truth <= estimate * high;
}

TEST(estimates_hold_the_truth_in_their_interval) {
    int held = 0;
    for (uint64_t seed = 1; seed <= 400; seed++)
        held += estimate_holds(seed);
    CHECK(held >= 380);
}

static void *from_outside(void *context, size_t size) {
    (void)context;
    return malloc(size);
}

/* A block that grows again and again is one block, whatever was sampled of its past. */
TEST(resized_blocks_are_estimated_without_bias) {
    double sum = 0;
    enum { RUNS = 3000, LAST = 4000 };
    world_begin(10000, 77);
    for (int run = 0; run < RUNS; run++) {
        char *block = NULL;
        for (size_t size = 100; size <= LAST; size += 300) {
            char *old = block;
            if (old && agent_in_range(old)) {
                block = agent_retake(old, size - 300, size, from_outside, NULL);
                continue;
            }
            if ((agent_thread.countdown -= (int64_t)size + 1) < 0 && (block = agent_sample(size, 16, false)))
                free(old);
            else
                block = realloc(old, size);
        }
        sum += (double)agent_recording->live_count / WIRE_ONE;
        if (agent_in_range(block))
            agent_release(block);
        else
            free(block);
        CHECK_EQUAL(agent_recording->live_count, 0);
    }
    CHECK(fabs(sum / RUNS - 1) < 0.1);
}

/* The next sample finds that sampling has cost that many nanoseconds in the last twenty seconds. */
static uint64_t interval_after(uint64_t nanoseconds) {
    agent.cost = nanoseconds;
    agent.cost_since = agent_clock() - 20000000000u;
    agent_thread.countdown = -1;
    agent_thread.interval = agent.interval;
    agent_release(agent_sample(100, 16, false));
    CHECK_EQUAL(agent_recording->interval, agent.interval);
    return agent.interval;
}

TEST(the_interval_follows_the_budget) {
    enum { FIRST = 4096 };
    world_begin(FIRST, 13);
    agent.options.budget = 0.01; /* 200,000,000 ns of twenty seconds */
    CHECK_EQUAL(interval_after(150000000), FIRST);
    CHECK_EQUAL(interval_after(300000000), 2 * FIRST);
    CHECK_EQUAL(interval_after(2000000000), 32 * FIRST); /* tenfold the budget */
    CHECK_EQUAL(interval_after(150000000), 32 * FIRST);
    CHECK_EQUAL(interval_after(40000000), 16 * FIRST); /* a fifth */
    CHECK_EQUAL(interval_after(1000000), FIRST);
    CHECK_EQUAL(interval_after(1000000), FIRST);
}

TEST(the_interval_grows_when_memory_is_used_up) {
    world_begin(4096, 14);
    agent.options.memory = 1 << 10; /* the recording alone has more */
    CHECK_EQUAL(interval_after(0), 8192);
    CHECK_EQUAL(interval_after(0), 16384);
    agent.options.memory = agent_bytes() * 3 / 2;
    CHECK_EQUAL(interval_after(0), 8192);
    CHECK_EQUAL(interval_after(0), 4096);
    agent.interval = 1 << 20;
    agent.options.memory = 16 << 20;
    CHECK_EQUAL(interval_after(0), 4096);
}

TEST(words_that_mean_nothing_are_refused) {
    struct agent_options options;
    CHECK_EQUAL(agent_options_read("", &options), 0);
    CHECK_EQUAL(options.interval, 524288);
    CHECK_EQUAL(options.memory, 16 << 20);
    CHECK_EQUAL(agent_options_read("file=/tmp/%p interval=1  native=2 memory=33554432 budget=0.5", &options), 0);
    CHECK_TEXT(options.file, "/tmp/%p");
    CHECK_EQUAL(options.interval, 1);
    CHECK_EQUAL(options.native, 2);
    CHECK_EQUAL(options.memory, 32 << 20);
    CHECK(options.budget > 0.49 && options.budget < 0.51);
    static const char *const wrong[] = {"interval=0", "interval=-1", "interval=x", "native=3", "budget=0", "budget=0,5", "budget=1e3", "memory=5", "colour=red"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        CHECK(agent_options_read(wrong[i], &options) != 0);
}

TEST_MAIN(RUN(a_weight_is_one_over_the_chance_of_being_sampled); RUN(gaps_are_exponential);
          RUN(every_stack_keeps_what_it_had_at_the_peak); RUN(cohorts_hold_survivors_by_their_birth);
          RUN(the_timeline_keeps_its_length); RUN(estimates_hold_the_truth_in_their_interval);
          RUN(resized_blocks_are_estimated_without_bias); RUN(the_interval_follows_the_budget);
          RUN(the_interval_grows_when_memory_is_used_up); RUN(words_that_mean_nothing_are_refused);)
