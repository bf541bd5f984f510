/* Which objects live, and why those live that no known root reaches.
 *
 * Reference counts tell the two kinds of unreached objects apart, as the collector itself does it: an object
 * with more counted references than references found is held by native code; what only such objects or other
 * unreached ones refer to is garbage that waits for the collector. */
#ifndef CAULK_ANALYSIS_REACH_H
#define CAULK_ANALYSIS_REACH_H

#include "graph/graph.h"

enum reach_class {
    REACH_LIVE,     /* from the root */
    REACH_NATIVE,   /* only from references that nobody shows: C code, or a missing decref */
    REACH_GARBAGE,  /* only from itself: waits for the collector */
};

struct reach {
    const uint8_t *class_of; /* node -> enum reach_class */
    /* Entry points of what the root does not reach, native ones first: an extra edge from the root to each
     * of them makes every node reachable. */
    const node_id *entries;
    uint32_t entry_count;
    uint32_t native_entry_count;
    uint64_t objects[3], bytes[3]; /* by class */
};

/* O(nodes + edges) time, 5 bytes per node beside the result. */
void reach_compute(const struct graph *graph, struct arena *arena, struct reach *out);

#endif
