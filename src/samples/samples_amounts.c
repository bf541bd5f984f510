/* Sums of what was allocated, and their order. */
#include "samples/samples.h"

void samples_amounts_add(struct samples_amounts *to, const struct samples_amounts *from) {
    to->live_bytes += from->live_bytes;
    to->live_count += from->live_count;
    to->total_bytes += from->total_bytes;
    to->total_count += from->total_count;
    to->peak_bytes += from->peak_bytes;
    to->peak_count += from->peak_count;
}

bool samples_amounts_are_zero(const struct samples_amounts *amounts) {
    return !amounts->total_bytes && !amounts->live_bytes && !amounts->peak_bytes;
}

int samples_amounts_by_peak(const struct samples_amounts *a, const struct samples_amounts *b) {
    if (a->peak_bytes != b->peak_bytes)
        return a->peak_bytes < b->peak_bytes ? 1 : -1;
    return (a->total_bytes < b->total_bytes) - (a->total_bytes > b->total_bytes);
}
