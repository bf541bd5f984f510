/* Where the heap accumulates: the nodes worth naming in a table of holders. */
#include "app/tables.h"

#include <stdlib.h>

/* A node whose biggest dominated child retains this share of it is passed through to that child. */
static const double BIG_DROP = 0.7;

/* Modules, classes, threads and namespaces hold many unrelated things: what they hold is named, not they. */
static bool is_transparent(const struct stage *stage, node_id node) {
    const struct graph *graph = &stage->heap->graph;
    if (node < graph->synthetic_count)
        return true;
    uint32_t role = graph_type_of(graph, node)->role;
    uint32_t edge = stage->paths.parent_edge[node];
    return role == ROLE_MODULE || role == ROLE_TYPE ||
           (edge != UINT32_MAX && graph->out_kind[edge] == EDGE_NAMESPACE);
}

/* For every node: its dominated child that retains most. */
static node_id *find_biggest(const struct stage *stage, struct arena *arena) {
    const struct dominators *dominators = &stage->dominators;
    uint32_t count = stage->heap->graph.node_count;
    node_id *biggest = arena_new(arena, node_id, count);
    memset(biggest, 0xff, sizeof(node_id) * count);
    for (node_id node = 1; node < count; node++) {
        node_id parent = dominators->immediate[node];
        if (parent != NODE_NONE && (biggest[parent] == NODE_NONE ||
                                    dominators->retained[node] > dominators->retained[biggest[parent]]))
            biggest[parent] = node;
    }
    return biggest;
}

/* Keeps the `limit` largest in `best`, sorted. */
static void insert(const uint64_t *retained, node_id node, size_t limit, node_id *best, size_t *count) {
    if (*count == limit && (!limit || retained[best[limit - 1]] >= retained[node]))
        return;
    size_t at = *count < limit ? (*count)++ : limit - 1;
    for (; at > 0 && retained[best[at - 1]] < retained[node]; at--)
        best[at] = best[at - 1];
    best[at] = node;
}

size_t holders_find(const struct stage *stage, size_t limit, struct arena *arena, node_id **out) {
    struct arena scratch = {0};
    const struct dominators *dominators = &stage->dominators;
    uint32_t total = stage->heap->graph.node_count;
    node_id *biggest = find_biggest(stage, &scratch);
    node_id *best = arena_new(arena, node_id, limit + 1);
    size_t count = 0;
    for (node_id node = 1; node < total; node++) {
        node_id parent = dominators->immediate[node];
        if (parent == NODE_NONE || !is_transparent(stage, parent) || is_transparent(stage, node))
            continue;
        node_id at = node;
        while (biggest[at] != NODE_NONE &&
               (double)dominators->retained[biggest[at]] >= BIG_DROP * (double)dominators->retained[at])
            at = biggest[at];
        insert(dominators->retained, at, limit, best, &count);
    }
    arena_deinit(&scratch);
    *out = best;
    return count;
}
