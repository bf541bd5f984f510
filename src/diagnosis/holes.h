/* Holes: free memory between objects, which the allocator cannot give back. */
#ifndef CAULK_DIAGNOSIS_HOLES_H
#define CAULK_DIAGNOSIS_HOLES_H

#include "diagnosis/candidate.h"

/* Whether the allocators' memory grows steadily and at least half of that is free, so that it is worth to find out who
 * keeps it. */
bool holes_grow(const struct observation *observations, size_t count, uint64_t least);

/* Holes that grow as one candidate, whose holder is what holds most of the objects between them. False if they do not
 * grow, or no holder has a good part of them. */
bool candidate_from_holes(const struct comparison *comparison, uint64_t least, struct arena *arena, struct candidate *out);

#endif
