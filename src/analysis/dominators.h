/* Immediate dominators and retained sizes.
 *
 * A node's immediate dominator is the last node on every path from the root to it; a node's retained size is
 * what goes away with it: its own bytes and those of all that it dominates. SEMI-NCA in preorder space, with
 * simple Lengauer-Tarjan when its steps exceed 64 per node (Georgiadis, Tarjan, Werneck 2006). */
#ifndef CAULK_ANALYSIS_DOMINATORS_H
#define CAULK_ANALYSIS_DOMINATORS_H

#include "analysis/reach.h"

struct dominators {
    const node_id *immediate;       /* node -> immediate dominator; NODE_NONE for the root */
    const uint64_t *retained;       /* node -> bytes */
    const node_id *order;           /* all nodes, each before the nodes it dominates (DFS preorder) */
    uint64_t steps;                 /* of the NCA phase; a measure of how hard the graph was */
    bool fell_back;                 /* Lengauer-Tarjan did it */
};

enum dominators_algorithm { DOMINATORS_AUTOMATIC, DOMINATORS_SEMI_NCA, DOMINATORS_LENGAUER_TARJAN };

/* Retained sizes count each object once. O((nodes + edges) log nodes); at most 24 bytes per node at the peak
 * beside the graph, 16 kept. No recursion. */
void dominators_compute(const struct graph *graph, const struct reach *reach, enum dominators_algorithm algorithm,
                        struct arena *arena, struct dominators *out);

#endif
