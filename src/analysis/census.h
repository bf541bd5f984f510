/* How many objects of each type there are, and how large they are. */
#ifndef CAULK_ANALYSIS_CENSUS_H
#define CAULK_ANALYSIS_CENSUS_H

#include "analysis/dominators.h"

struct census_row {
    uint32_t type;     /* index into graph->types */
    uint64_t count;
    uint64_t bytes;    /* sum of shallow sizes */
    uint64_t retained; /* of the set: retained sizes of members that no other member of the type dominates */
};

struct census {
    struct census_row *rows; /* largest `bytes` first */
    size_t count;
    uint64_t objects, bytes;
};

/* `dominators` may be NULL: retained is 0 then. O(nodes). */
void census_compute(const struct graph *graph, const struct dominators *dominators, struct arena *arena,
                    struct census *out);

#endif
