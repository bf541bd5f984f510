/* The gate that tells a leak from a warm-up, a step and a sawtooth; Theil-Sen for the slope. */
#include "analysis/series.h"

#include "base/arena.h"

#include <math.h>
#include <stdlib.h>

enum { LEAST_POINTS = 4, FEW_POINTS = 8, LEAST_FOR_INTERVAL = 6, MOST_BLOCKS = 6, SLOPES_ON_STACK = 300 };

static int compare_doubles(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

/* The slopes between all pairs of points, sorted; `slopes` has room for them. */
static size_t sort_slopes(const double *time, const double *value, size_t count, double *slopes) {
    size_t made = 0;
    for (size_t i = 0; i < count; i++)
        for (size_t j = i + 1; j < count; j++)
            if (time[j] > time[i])
                slopes[made++] = (value[j] - value[i]) / (time[j] - time[i]);
    qsort(slopes, made, sizeof *slopes, compare_doubles);
    return made;
}

static double median_of_sorted(const double *sorted, size_t count) {
    if (count == 0)
        return 0;
    return count % 2 ? sorted[count / 2] : (sorted[count / 2 - 1] + sorted[count / 2]) / 2;
}

/* Sen's interval: ranks from the variance of Kendall's S. The normal approximation is too bold for very few
 * points; all slopes seen are the interval there. */
static void set_interval(const double *slopes, size_t made, size_t count, struct series_trend *out) {
    size_t lower = 0, upper = made - 1;
    if (count >= LEAST_FOR_INTERVAL) {
        double n = (double)count, pairs = (double)made;
        double reach = 1.96 * sqrt(n * (n - 1) * (2 * n + 5) / 18);
        double low_rank = floor((pairs - reach) / 2) - 1, high_rank = ceil((pairs + reach) / 2);
        lower = low_rank > 0 ? (size_t)low_rank : 0;
        upper = high_rank < pairs ? (size_t)high_rank : made - 1;
    }
    out->low = slopes[lower];
    out->high = slopes[upper];
}

/* With few points each is a block of its own; later a block's floor bridges a sawtooth. */
static size_t block_count(size_t count) {
    if (count < FEW_POINTS)
        return count;
    return count / 2 < MOST_BLOCKS ? count / 2 : MOST_BLOCKS;
}

static double floor_of_block(const struct series *series, size_t block, size_t blocks) {
    size_t begin = block * series->count / blocks, end = (block + 1) * series->count / blocks;
    double least = series->value[begin];
    for (size_t i = begin + 1; i < end; i++)
        least = fmin(least, series->value[i]);
    return least;
}

static bool floor_rises(const struct series *series) {
    size_t blocks = block_count(series->count);
    for (size_t block = 1; block < blocks; block++)
        if (floor_of_block(series, block, blocks) <= floor_of_block(series, block - 1, blocks))
            return false;
    return true;
}

/* The median of all slopes among `count` points from `from` on, or of those between neighbours only. */
static double median_slope(const struct series *series, size_t from, size_t count, bool neighbours, double *slopes) {
    size_t made = 0;
    if (!neighbours)
        return median_of_sorted(slopes, sort_slopes(series->time + from, series->value + from, count, slopes));
    for (size_t i = from + 1; i < from + count; i++)
        if (series->time[i] > series->time[i - 1])
            slopes[made++] = (series->value[i] - series->value[i - 1]) / (series->time[i] - series->time[i - 1]);
    qsort(slopes, made, sizeof *slopes, compare_doubles);
    return median_of_sorted(slopes, made);
}

/* In a handful of points one jump is in half of all pairs: their neighbours must agree that it slows down. */
static bool slows_down(const struct series *series, double *slopes) {
    size_t half = (series->count + 1) / 2, from = series->count / 2;
    for (int neighbours = 0; neighbours <= (series->count < MOST_BLOCKS * 2); neighbours++) {
        double first = median_slope(series, 0, half, neighbours, slopes);
        if (median_slope(series, from, half, neighbours, slopes) >= first / 2)
            return false;
    }
    return true;
}

/* A short series that rests at its end has no further points to show that it does. */
static bool rises_at_end(const struct series *series) {
    size_t last = series->count - 1;
    return series->count < LEAST_FOR_INTERVAL || series->count >= MOST_BLOCKS * 2 ||
           series->value[last] > series->value[last - 2];
}

struct range {
    double peak; /* above the first value */
    double fall; /* the deepest from any value to a later one */
};

static struct range measure(const struct series *series) {
    struct range range = {0, 0};
    double highest = series->value[0];
    for (size_t i = 1; i < series->count; i++) {
        highest = fmax(highest, series->value[i]);
        range.fall = fmax(range.fall, highest - series->value[i]);
        range.peak = fmax(range.peak, series->value[i] - series->value[0]);
    }
    return range;
}

/* Spread around the line of the slope, as the median distance. */
static double residual_spread(const struct series *series, double slope, double *room) {
    for (size_t i = 0; i < series->count; i++)
        room[i] = series->value[i] - slope * series->time[i];
    qsort(room, series->count, sizeof *room, compare_doubles);
    double middle = median_of_sorted(room, series->count);
    for (size_t i = 0; i < series->count; i++)
        room[i] = fabs(room[i] - middle);
    qsort(room, series->count, sizeof *room, compare_doubles);
    return median_of_sorted(room, series->count);
}

static enum series_verdict judge(const struct series *series, double noise, const struct series_trend *trend,
                                 double *room) {
    size_t last = series->count - 1;
    struct range range = measure(series);
    double rise = series->value[last] - series->value[0];
    if (range.peak <= noise)
        return SERIES_FLAT;
    bool slower = slows_down(series, room);
    if (rise > noise && trend->low > 0 && !slower && floor_rises(series) && rises_at_end(series))
        return SERIES_GROWS;
    double trend_rise = trend->slope * (series->time[last] - series->time[0]);
    if (range.fall >= range.peak / 2) {
        bool aimless = trend->low <= 0 && trend->high >= 0;
        double spread = residual_spread(series, trend->slope, room);
        return aimless && range.peak <= 6 * spread && fabs(trend_rise) <= 3 * spread ? SERIES_FLAT
                                                                                   : SERIES_FALLS_BACK;
    }
    return SERIES_LEVELS_OFF;
}

static void judge_with_room(const struct series *series, double noise, double *slopes, struct series_trend *out) {
    size_t made = sort_slopes(series->time, series->value, series->count, slopes);
    if (made) {
        out->slope = median_of_sorted(slopes, made);
        set_interval(slopes, made, series->count, out);
    }
    out->intervals = series->count - 1;
    for (size_t i = 1; i < series->count; i++)
        out->risen += series->value[i] > series->value[i - 1];
    if (series->count >= LEAST_POINTS && made)
        out->verdict = judge(series, noise, out, slopes);
}

void series_judge(const struct series *series, double noise, struct series_trend *out) {
    *out = (struct series_trend){.verdict = SERIES_TOO_SHORT};
    if (series->count == 0)
        return;
    double few[SLOPES_ON_STACK];
    size_t pairs = series->count * (series->count - 1) / 2 + series->count;
    if (pairs <= SLOPES_ON_STACK) {
        judge_with_room(series, noise, few, out);
        return;
    }
    struct arena scratch = {0};
    judge_with_room(series, noise, arena_new(&scratch, double, pairs), out);
    arena_deinit(&scratch);
}
