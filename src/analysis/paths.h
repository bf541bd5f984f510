/* The best path from a root to every object: a tree of cheapest paths.
 *
 * Every edge and root has a small whole cost, and the path of least cost is the one that a person would
 * name: module global before thread frame before anonymous root, through user code before library code,
 * an object's own module before a stranger's. Costs are in paths.c, in one table. */
#ifndef CAULK_ANALYSIS_PATHS_H
#define CAULK_ANALYSIS_PATHS_H

#include "analysis/reach.h"
#include "base/map.h"
#include "base/text.h"
#include "base/vector.h"

struct paths {
    const node_id *parent;      /* node -> node before it on its best path; NODE_NONE for the root */
    const uint32_t *parent_edge;/* node -> index of that edge in graph->out_target; UINT32_MAX for an entry of reach */
    const uint32_t *cost;       /* node -> cost of its path */
    const node_id *order;       /* all nodes, each after its parent */
};

/* O(edges + nodes + largest cost), 16 bytes per node. */
void paths_compute(const struct graph *graph, const struct reach *reach, struct arena *arena, struct paths *out);

struct path_step {
    node_id node;
    enum edge_kind kind;  /* of the edge that leads to `node` */
    struct edge_name name;
    bool folded;          /* the key or position stands for any: written "[...]" */
};

/* The steps from just below the root to `node`, in `arena`; returns their number. */
size_t paths_steps(const struct graph *graph, const struct paths *paths, node_id node, struct arena *arena,
                   struct path_step **out);

/* What the edges of large nodes are called, for those who ask for the paths of many nodes. All zeros is empty. */
struct path_names {
    struct arena arena;
    struct map of;        /* node -> index into lists */
    struct vector lists;  /* struct edge_name *, one for each edge of the node */
};

/* The same, and the names of a large node's edges are made once. The steps' texts end with `names`. */
size_t paths_steps_of_many(const struct graph *graph, const struct paths *paths, node_id node, struct path_names *names,
                           struct arena *arena, struct path_step **out);
void path_names_deinit(struct path_names *names);

/* Writes steps as a person would: Python syntax where it can be ("shop.sessions.STORE[...].cart",
 * `__main__.DIRECTORY["channels"]`, "__main__.collect.__defaults__[0]"), else the root in words
 * (`thread "worker-3" frame run() local buf`, "<C data of _sqlite3.so>", "<nobody: waiting for gc>"). */
void paths_write(const struct graph *graph, const struct reach *reach, const struct path_step *steps, size_t count,
                 struct text *out);

/* Writes only the part that steps[index] adds to that text: ".STORE", "[...]", " local buf"; nothing for the
 * namespace between an object and its attribute. */
void paths_write_step(const struct graph *graph, const struct reach *reach, const struct path_step *steps,
                      size_t count, size_t index, struct text *out);

#endif
