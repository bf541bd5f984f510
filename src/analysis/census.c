/* Counts objects and bytes by type; retained by a walk over the dominator tree. */
#include "analysis/census.h"

#include <stdlib.h>

/* The dominator tree from parents to children. */
struct tree {
    node_id *first_child, *next_sibling;
};

static struct tree build_tree(const struct graph *graph, const struct dominators *dominators, struct arena *scratch) {
    struct tree tree = {arena_new(scratch, node_id, graph->node_count), arena_new(scratch, node_id, graph->node_count)};
    memset(tree.first_child, 0xff, graph->node_count * sizeof(node_id));
    for (node_id n = graph->node_count; n-- > 0;) {
        node_id parent = dominators->immediate[n];
        if (parent == NODE_NONE)
            continue;
        tree.next_sibling[n] = tree.first_child[parent];
        tree.first_child[parent] = n;
    }
    return tree;
}

/* The next node in depth-first order, or NODE_NONE; `open` counts how many of each type lie above it. */
static node_id walk_on(const struct graph *graph, const struct dominators *dominators, const struct tree *tree,
                       uint32_t *open, node_id node) {
    open[graph->type_of[node]]++;
    if (tree->first_child[node] != NODE_NONE)
        return tree->first_child[node];
    for (;;) {
        open[graph->type_of[node]]--;
        if (node == NODE_ROOT)
            return NODE_NONE;
        if (tree->next_sibling[node] != NODE_NONE)
            return tree->next_sibling[node];
        node = dominators->immediate[node];
    }
}

static void add_retained(const struct graph *graph, const struct dominators *dominators, struct census_row *rows) {
    struct arena scratch = {0};
    struct tree tree = build_tree(graph, dominators, &scratch);
    uint32_t *open = arena_new(&scratch, uint32_t, graph->type_count);
    for (node_id n = NODE_ROOT; n != NODE_NONE; n = walk_on(graph, dominators, &tree, open, n))
        if (open[graph->type_of[n]] == 0)
            rows[graph->type_of[n]].retained += dominators->retained[n];
    arena_deinit(&scratch);
}

static int compare_rows(const void *a, const void *b) {
    const struct census_row *left = a, *right = b;
    if (left->bytes != right->bytes)
        return left->bytes < right->bytes ? 1 : -1;
    return left->type < right->type ? -1 : left->type > right->type;
}

void census_compute(const struct graph *graph, const struct dominators *dominators, struct arena *arena,
                    struct census *out) {
    struct census_row *rows = arena_new(arena, struct census_row, graph->type_count);
    *out = (struct census){.rows = rows};
    for (uint32_t t = 0; t < graph->type_count; t++)
        rows[t].type = t;
    for (node_id n = graph->synthetic_count; n < graph->node_count; n++) {
        struct census_row *row = &rows[graph->type_of[n]];
        row->count++;
        row->bytes += graph->sizes[n];
        out->objects++;
        out->bytes += graph->sizes[n];
    }
    if (dominators)
        add_retained(graph, dominators, rows);
    for (uint32_t t = 0; t < graph->type_count; t++)
        if (rows[t].count)
            rows[out->count++] = rows[t];
    qsort(rows, out->count, sizeof *rows, compare_rows);
}
