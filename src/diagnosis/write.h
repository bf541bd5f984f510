/* A suspect as a finding: title, numbers, evidence in words. */
#ifndef CAULK_DIAGNOSIS_WRITE_H
#define CAULK_DIAGNOSIS_WRITE_H

#include "diagnosis/merge.h"

/* Certain: every interval rose, the slope's interval leaves no room for zero, and that for long enough. */
enum confidence finding_confidence(const struct series_trend *trend, double seconds);

/* Takes a finding into a list that has the fastest growth first and room for `most`; the slowest goes if it is full. The
 * new count. */
size_t finding_insert(struct finding *list, size_t count, size_t most, const struct finding *finding);

void finding_write(const struct suspect *suspect, uint32_t rank, struct arena *arena, struct finding *out);

#endif
