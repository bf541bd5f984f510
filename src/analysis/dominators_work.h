/* Inside of the dominators: nodes renumbered in the order of a depth-first search.
 *
 * A *visit* is such a number. Dominators are computed in visits alone, where ancestors come before their
 * descendants; node_ids appear at the beginning and at the end. Visit 0 is the root. */
#ifndef CAULK_ANALYSIS_DOMINATORS_WORK_H
#define CAULK_ANALYSIS_DOMINATORS_WORK_H

#include "analysis/dominators.h"

typedef uint32_t visit;

/* `ancestor` is the parent in the search tree until path compression shortens it. `label` is the cursor of the
 * search at first, later what the algorithm keeps of the shortened path. */
struct dominators_link {
    visit ancestor;
    uint32_t label;
};

/* 24 bytes per node in all. */
struct dominators_work {
    const struct graph *graph;
    const struct reach *reach;
    visit *number_of;  /* node -> visit */
    node_id *order;    /* visit -> node */
    struct dominators_link *links;
    visit *semi;       /* visit -> semidominator; 0 already set where the root has an edge to it */
    visit *immediate;  /* visit -> immediate dominator: the result */
    uint64_t steps;
};

/* Renumbers all nodes: fills number_of, order, links[].ancestor; and semi with the parents. */
void dominators_number(struct dominators_work *work);

/* False when it took more than `most_steps`; the work must be numbered anew then. */
bool dominators_semi_nca(struct dominators_work *work, uint64_t most_steps);
void dominators_lengauer_tarjan(struct dominators_work *work);

/* Whether visit `v` already hangs in the forest while visits are processed from the last one down to `now`. */
static inline bool dominators_is_linked(visit v, visit now) {
    return v > now;
}

/* Fetches ahead what the predecessors of later visits need, each link of the chain of loads in its turn. */
static inline void dominators_look_ahead(const struct dominators_work *work, visit now) {
    enum { FIRST = 32, SECOND = 24, THIRD = 16, FOURTH = 8, SOURCES = 4 };
    const struct graph *graph = work->graph;
    if (now <= FIRST)
        return;
    __builtin_prefetch(&graph->in_begin[work->order[now - FIRST]]);
    __builtin_prefetch(&graph->in_source[graph->in_begin[work->order[now - SECOND]]]);
    for (int stage = 0; stage < 2; stage++) {
        visit later = now - (stage ? FOURTH : THIRD);
        uint32_t begin = graph->in_begin[work->order[later]], end = graph->in_begin[work->order[later] + 1];
        if (work->semi[later] == 0 || end - begin < 2)
            continue;
        for (uint32_t edge = begin; edge < end && edge < begin + SOURCES; edge++)
            if (stage)
                __builtin_prefetch(&work->links[work->number_of[graph->in_source[edge]]]);
            else
                __builtin_prefetch(&work->number_of[graph->in_source[edge]]);
    }
}

#endif
