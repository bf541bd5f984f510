/* The lines that made what grows, from the sampler's live blocks. */
#ifndef CAULK_DIAGNOSIS_ALLOCATED_H
#define CAULK_DIAGNOSIS_ALLOCATED_H

#include "diagnosis/candidate.h"
#include "samples/samples.h"

/* Fills allocated_at of the finding: blocks that were born in the window and whose objects lie where the candidate
 * grows, folded by line. Nothing if there are no samples of it. */
void allocated_fill(const struct candidate *candidate, struct arena *arena, struct finding *out);

/* The same for native memory: what was born in the window and is no object's. */
void allocated_fill_raw(const struct evidence *evidence, struct arena *arena, struct finding *out);

/* One line and what it weighs. */
struct weighed_line {
    uint32_t frame; /* index into the samples' frames */
    uint32_t stack; /* the heaviest one */
    double heaviest;
    double bytes;
};

/* The frame that a person would look at: the innermost one of the user's own code, else the innermost one.
 * SAMPLES_NONE if there is none. */
uint32_t allocated_frame(const struct samples *samples, uint32_t stack);

/* The same lines together, those of most bytes first, with their shares; reorders `lines`. At most `limit`. */
size_t allocated_lines(const struct samples *samples, struct weighed_line *lines, size_t count, size_t limit,
                       struct arena *arena, struct source_line **out);

#endif
