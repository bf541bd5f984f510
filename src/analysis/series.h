/* Is a series of measurements a steady growth, and how fast?
 *
 * The gate: the floor rises in every block of the series *and* the Theil-Sen slope of the second half is at
 * least half of that of the first. A warm-up that levels off, a one-off step, a sawtooth pass no such gate. */
#ifndef CAULK_ANALYSIS_SERIES_H
#define CAULK_ANALYSIS_SERIES_H

#include <stdbool.h>
#include <stddef.h>

enum series_verdict { SERIES_FLAT, SERIES_GROWS, SERIES_LEVELS_OFF, SERIES_FALLS_BACK, SERIES_TOO_SHORT };

struct series {
    const double *time;  /* seconds, rising */
    const double *value;
    size_t count;
};

struct series_trend {
    enum series_verdict verdict;
    double slope;              /* Theil-Sen, units per second */
    double low, high;          /* 95 % interval by order statistics */
    size_t risen, intervals;   /* in how many of the intervals it rose */
};

/* `noise`: a rise of this much or less over the whole series is flat. O(count^2), count is small. */
void series_judge(const struct series *series, double noise, struct series_trend *out);

#endif
