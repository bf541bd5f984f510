/* series.h: the gate against the table of known rates, on seeded noise; and short, nearly noise-free series. */
#include "analysis/series.h"
#include "support/check.h"

#include <math.h>
#include <stdint.h>

enum { LONG = 120, TRIALS = 400 };

static uint64_t state;

static double uniform(void) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return ((double)(state >> 11) + 0.5) / 9007199254740992.0;
}

static double normal(void) {
    return sqrt(-2 * log(uniform())) * cos(6.283185307179586 * uniform());
}

/* Fills one series of a kind; all noise has a spread of 1. */
typedef void fill_function(double *value, size_t count);

/* Per cent of trials that the gate calls a growth. */
static double alarm_rate(fill_function *fill, size_t count) {
    double time[LONG], value[LONG];
    int alarms = 0;
    state = 0x9e3779b97f4a7c15u;
    for (int trial = 0; trial < TRIALS; trial++) {
        struct series_trend trend;
        fill(value, count);
        for (size_t i = 0; i < count; i++)
            time[i] = (double)i;
        series_judge(&(struct series){time, value, count}, 0, &trend);
        alarms += trend.verdict == SERIES_GROWS;
    }
    return 100.0 * alarms / TRIALS;
}

static void add_correlated(double *value, size_t count, double memory) {
    double noise = normal();
    for (size_t i = 0; i < count; i++) {
        value[i] += noise;
        noise = memory * noise + sqrt(1 - memory * memory) * normal();
    }
}

static void fill_flat(double *value, size_t count) {
    for (size_t i = 0; i < count; i++)
        value[i] = 100 + normal();
}

static void fill_correlated_08(double *value, size_t count) {
    memset(value, 0, count * sizeof *value);
    add_correlated(value, count, 0.8);
}

static void fill_correlated_095(double *value, size_t count) {
    memset(value, 0, count * sizeof *value);
    add_correlated(value, count, 0.95);
}

static void fill_plateau(double *value, size_t count, double tau) {
    for (size_t i = 0; i < count; i++)
        value[i] = 10 * (1 - exp(-(double)i / tau)) + normal();
}

static void fill_plateau_8(double *value, size_t count) {
    fill_plateau(value, count, (double)count / 8);
}

static void fill_plateau_3(double *value, size_t count) {
    fill_plateau(value, count, (double)count / 3);
}

static void fill_step(double *value, size_t count) {
    size_t at = (size_t)(uniform() * (double)count);
    for (size_t i = 0; i < count; i++)
        value[i] = (i >= at ? 10 : 0) + normal();
}

static void fill_diurnal(double *value, size_t count) {
    double phase = 6.283185307179586 * uniform();
    for (size_t i = 0; i < count; i++)
        value[i] = 3 * sin(6.283185307179586 * (double)i / (double)count + phase) + normal();
}

static void fill_sawtooth(double *value, size_t count) {
    double period = (double)count / 6, phase = uniform() * period;
    for (size_t i = 0; i < count; i++)
        value[i] = 3.4 * fmod((double)i + phase, period) / period + 0.2 * normal();
}

static void add_slope(double *value, size_t count, double rise) {
    for (size_t i = 0; i < count; i++)
        value[i] += rise * (double)i / (double)(count - 1);
}

static void fill_leak_3(double *value, size_t count) {
    fill_flat(value, count);
    add_slope(value, count, 3);
}

static void fill_leak_10_sawtooth(double *value, size_t count) {
    fill_sawtooth(value, count);
    add_slope(value, count, 10);
}

static void fill_leak_10_correlated(double *value, size_t count) {
    fill_correlated_095(value, count);
    add_slope(value, count, 10);
}

TEST(what_does_not_leak_is_left_alone) {
    CHECK(alarm_rate(fill_flat, LONG) <= 1);
    CHECK(alarm_rate(fill_correlated_08, LONG) <= 1.5);
    CHECK(alarm_rate(fill_correlated_095, LONG) <= 2);
    CHECK(alarm_rate(fill_plateau_8, LONG) <= 0.5);
    CHECK(alarm_rate(fill_plateau_3, LONG) <= 0.5);
    CHECK(alarm_rate(fill_step, LONG) <= 3);
    CHECK(alarm_rate(fill_diurnal, LONG) <= 6);
    CHECK(alarm_rate(fill_sawtooth, LONG) <= 1);
}

TEST(what_leaks_is_found) {
    CHECK(alarm_rate(fill_leak_10_sawtooth, LONG) >= 97);
    CHECK(alarm_rate(fill_leak_10_correlated, LONG) >= 65);
    CHECK(alarm_rate(fill_leak_3, LONG) >= 8);
}

/* Few points leave more to chance. */
TEST(a_short_watch_is_not_rash) {
    CHECK(alarm_rate(fill_flat, 8) <= 3);
    CHECK(alarm_rate(fill_flat, 6) <= 1);
    CHECK(alarm_rate(fill_plateau_8, 8) <= 4);
    CHECK(alarm_rate(fill_step, 8) <= 6);
    CHECK(alarm_rate(fill_leak_10_sawtooth, 12) >= 90);
    CHECK(alarm_rate(fill_sawtooth, 12) <= 8);
}

static struct series_trend judge(size_t count, const double *value) {
    double time[LONG];
    struct series_trend trend;
    for (size_t i = 0; i < count; i++)
        time[i] = (double)i;
    series_judge(&(struct series){time, value, count}, 1, &trend);
    return trend;
}

#define VERDICT(...) judge(sizeof((double[]){__VA_ARGS__}) / sizeof(double), (double[]){__VA_ARGS__}).verdict

/* Ten objects of one size, each at a time of its own within the first five of eight seconds. */
TEST(a_handful_of_objects_that_stops_is_no_leak) {
    int alarms = 0;
    state = 5;
    for (int trial = 0; trial < TRIALS; trial++) {
        double time[8], value[8] = {0};
        struct series_trend trend;
        for (int object = 0; object < 10; object++) {
            double born = 5 * uniform();
            for (int i = 0; i < 8; i++)
                value[i] += 8.0 * i / 7 > born ? 1000 : 0;
        }
        for (int i = 0; i < 8; i++)
            time[i] = 8.0 * i / 7;
        series_judge(&(struct series){time, value, 8}, 1, &trend);
        alarms += trend.verdict == SERIES_GROWS;
    }
    CHECK_EQUAL(alarms, 0);
}

TEST(a_constant_rate_grows) {
    CHECK_EQUAL(VERDICT(0, 100, 200, 300), SERIES_GROWS);
    CHECK_EQUAL(VERDICT(0, 100, 210, 290, 405, 500, 598, 700), SERIES_GROWS);
    CHECK_EQUAL(VERDICT(0, 10, 10, 20, 30, 40, 40, 50, 60, 60, 70, 80), SERIES_GROWS); /* a staircase */
    CHECK_EQUAL(VERDICT(0, 900, 1000, 1100, 1200, 1300, 1400, 1500), SERIES_GROWS); /* a cache filled at first */
    CHECK_EQUAL(VERDICT(50, 120, 230, 310, 360, 480, 560, 690), SERIES_GROWS); /* requests come and go */
}

TEST(what_fills_up_levels_off) {
    CHECK_EQUAL(VERDICT(0, 114, 229, 343, 457, 500, 500, 500), SERIES_LEVELS_OFF);
    CHECK_EQUAL(VERDICT(0, 114, 229, 343, 500, 500, 500, 500), SERIES_LEVELS_OFF);
    CHECK_EQUAL(VERDICT(0, 300, 500, 500, 500), SERIES_LEVELS_OFF);
    CHECK_EQUAL(VERDICT(0, 0, 0, 1000, 1000, 1000, 1000, 1000), SERIES_LEVELS_OFF); /* one step */
    /* Ten large objects, the last one after five of eight seconds. */
    CHECK_EQUAL(VERDICT(0, 2000, 4000, 6000, 8000, 10000, 10000, 10000), SERIES_LEVELS_OFF);
    CHECK_EQUAL(VERDICT(0, 3000, 5000, 5000, 8000, 10000, 10000, 10000), SERIES_LEVELS_OFF);
    CHECK_EQUAL(VERDICT(0, 1000, 2000, 5000, 8000, 10000, 10000, 10000), SERIES_LEVELS_OFF);
    CHECK_EQUAL(VERDICT(0, 200, 330, 420, 480, 520, 545, 560), SERIES_LEVELS_OFF); /* a warm-up */
}

TEST(what_the_collector_takes_back_falls_back) {
    CHECK_EQUAL(VERDICT(0, 100, 200, 300, 10, 110, 210, 310), SERIES_FALLS_BACK);
    CHECK_EQUAL(VERDICT(0, 200, 400, 600, 800, 1000, 1200, 100), SERIES_FALLS_BACK);
    CHECK_EQUAL(VERDICT(0, 500, 0, 500, 0, 500, 0, 500), SERIES_FLAT); /* aimless */
}

TEST(small_or_few_is_nothing) {
    CHECK_EQUAL(VERDICT(5, 5, 5, 5, 5, 5), SERIES_FLAT);
    CHECK_EQUAL(VERDICT(5, 5, 5, 5, 5, 6), SERIES_FLAT);
    CHECK_EQUAL(VERDICT(900, 700, 500, 300, 100), SERIES_FLAT);
    CHECK_EQUAL(VERDICT(100, 400, 700), SERIES_TOO_SHORT);
    CHECK_EQUAL(VERDICT(100), SERIES_TOO_SHORT);
    struct series_trend trend;
    series_judge(&(struct series){NULL, NULL, 0}, 0, &trend);
    CHECK_EQUAL(trend.verdict, SERIES_TOO_SHORT);
}

/* Worked by hand: slopes of (0,0) (1,2) (2,3) (4,9) are 1 2 2.25 7/3 1.5 3... sorted 1, 2, 1.5, 2.25, 7/3, 3. */
TEST(slope_and_interval) {
    struct series_trend trend;
    double time[] = {0, 1, 2, 4}, value[] = {0, 2, 3, 9};
    series_judge(&(struct series){time, value, 4}, 0, &trend);
    CHECK(fabs(trend.slope - (2 + 2.25) / 2) < 1e-12);
    CHECK(trend.low == 1 && trend.high == 3);
    CHECK_EQUAL(trend.risen, 3);
    CHECK_EQUAL(trend.intervals, 3);
}

/* In at least nine of ten trials the true slope lies in the 95 % interval. */
TEST(the_interval_covers_the_truth) {
    size_t counts[] = {5, 8, 12, 40};
    for (size_t c = 0; c < 4; c++) {
        double time[LONG], value[LONG];
        int covered = 0;
        state = 77;
        for (int trial = 0; trial < TRIALS; trial++) {
            struct series_trend trend;
            for (size_t i = 0; i < counts[c]; i++) {
                time[i] = (double)i;
                value[i] = 2.5 * (double)i + normal();
            }
            series_judge(&(struct series){time, value, counts[c]}, 0, &trend);
            covered += trend.low <= 2.5 && 2.5 <= trend.high;
            CHECK(trend.low <= trend.slope && trend.slope <= trend.high);
        }
        CHECK(covered >= 9 * TRIALS / 10);
    }
}

TEST_MAIN(RUN(what_does_not_leak_is_left_alone); RUN(what_leaks_is_found); RUN(a_short_watch_is_not_rash);
          RUN(a_handful_of_objects_that_stops_is_no_leak);
          RUN(a_constant_rate_grows); RUN(what_fills_up_levels_off); RUN(what_the_collector_takes_back_falls_back);
          RUN(small_or_few_is_nothing); RUN(slope_and_interval); RUN(the_interval_covers_the_truth);)
