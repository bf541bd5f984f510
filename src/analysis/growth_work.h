/* Inside of growth: the comparison in progress. */
#ifndef CAULK_ANALYSIS_GROWTH_WORK_H
#define CAULK_ANALYSIS_GROWTH_WORK_H

#include "analysis/growth.h"
#include "base/map.h"
#include "base/vector.h"

/* One value for each observation. */
struct node_series {
    double *own;            /* objects of the node itself */
    double *objects, *bytes; /* of its subtree */
};

struct growth_work {
    const struct observation *observations;
    size_t count;
    double least_bytes;
    struct arena *arena;      /* of the result */
    struct arena scratch;
    const struct path_tree *last;
    struct map *indexes;      /* of all trees but the last: key -> node */
    struct map *addresses;    /* ... and address of a single object -> node */
    double *time;
    double *effort;           /* the axis of the gate: time in which the target could work */
    double *rests;            /* another one: how often it had nothing to do; NULL if that tells nothing */
    uint32_t *first_child, *next_sibling; /* in the last tree */
    struct map branches;      /* keys of nodes that are judged by themselves, not as a part of what holds them */
    struct vector pending;    /* uint32_t: branches that wait to be examined */
    struct vector holders, settled;
};

/* The node of observation `index` on the same path as `node` of the last tree, else the one of the same
 * object: a container lives on while the best path to it changes with what runs at the moment. MAP_ABSENT if there
 * is neither. */
uint32_t growth_match(const struct growth_work *work, size_t index, uint32_t node);

/* Fills types and child, when all branches are known. */
void growth_explain(struct growth_work *work, struct growth_holder *holder);

/* The last tree's node of sys.modules, which holds all modules; 0 if it is not there. */
uint32_t growth_module_table(const struct growth_work *work);

#endif
