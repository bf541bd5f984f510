/* Reference counts as arithmetic: what an object counts, less the references to it that were found.
 *
 * A *surplus* is a reference that nobody shows: native code holds it, a holder was missed, or somebody forgot to
 * give it back. Less than was found means that a reference was made up. Where neither is, the picture of the heap is
 * complete: the share of such objects is how much of it may be believed. An object is *silent* if its count says
 * nothing: immortal ones, objects that could not be read, counts that no program reaches by counting. */
#ifndef CAULK_ANALYSIS_REFCOUNTS_H
#define CAULK_ANALYSIS_REFCOUNTS_H

#include "graph/graph.h"

struct refcount_type {
    uint32_t type;    /* index into graph->types */
    uint64_t key;     /* of its name: the same in every snapshot */
    uint64_t objects; /* with a surplus */
    uint64_t surplus; /* references, all of them together */
};

struct refcounts {
    uint64_t checked, exact, above, below, silent; /* objects */
    uint64_t surplus;                              /* references that nobody shows */
    const struct refcount_type *types;             /* those with a surplus, the largest first */
    size_t type_count;
};

/* References to `node` that its count knows beyond those found; negative: fewer. 0 if it is silent. */
int64_t refcounts_surplus(const struct graph *graph, node_id node);

/* O(nodes) time; the result lives in `arena` and does not refer to the graph. */
void refcounts_compute(const struct graph *graph, struct arena *arena, struct refcounts *out);

/* The same in another arena. */
struct refcounts refcounts_copy(const struct refcounts *refcounts, struct arena *arena);

/* The row of a type, NULL if it has no surplus. */
const struct refcount_type *refcounts_find(const struct refcounts *refcounts, uint64_t key);
uint64_t refcounts_key(const struct graph_type *type);

/* Share of the objects checked whose count is explained, 1 if there are none. */
double refcounts_explained(const struct refcounts *refcounts);

#endif
