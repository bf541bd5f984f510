/* The lines that made what grows, from the sampler's live blocks. */
#ifndef CAULK_DIAGNOSIS_ALLOCATED_H
#define CAULK_DIAGNOSIS_ALLOCATED_H

#include "diagnosis/candidate.h"

/* Fills allocated_at of the finding: blocks that were born in the window and whose objects lie where the candidate
 * grows, folded by line. Nothing if there are no samples of it. */
void allocated_fill(const struct candidate *candidate, struct arena *arena, struct finding *out);

#endif
