/* Counts what every object counts against the references to it that were found. */
#include "analysis/refcounts.h"

#include <stdlib.h>
#include <string.h>

/* Above it nobody counts: 3.11 gives a count of about 10^9 to the objects in the interpreter's own data. */
enum { REFCOUNT_ABSURD = 1 << 29 };

static bool is_silent(const struct graph *graph, node_id node) {
    return graph->flags[node] & (NODE_IMMORTAL | NODE_FAULT) || graph->refcounts[node] >= REFCOUNT_ABSURD;
}

int64_t refcounts_surplus(const struct graph *graph, node_id node) {
    return is_silent(graph, node) ? 0
                                  : (int64_t)graph->refcounts[node] - (int64_t)graph_in_degree(graph, node);
}

uint64_t refcounts_key(const struct graph_type *type) {
    return span_hash(type->name, span_hash(type->module, 0));
}

static void add_object(const struct graph *graph, node_id node, struct refcount_type *rows, struct refcounts *out) {
    if (is_silent(graph, node)) {
        out->silent++;
        return;
    }
    int64_t surplus = refcounts_surplus(graph, node);
    out->checked++;
    out->exact += surplus == 0;
    out->above += surplus > 0;
    out->below += surplus < 0;
    if (surplus <= 0)
        return;
    struct refcount_type *row = &rows[graph->type_of[node]];
    row->objects++;
    row->surplus += (uint64_t)surplus;
    out->surplus += (uint64_t)surplus;
}

static int compare_rows(const void *a, const void *b) {
    const struct refcount_type *left = a, *right = b;
    if (left->surplus != right->surplus)
        return left->surplus < right->surplus ? 1 : -1;
    return left->type < right->type ? -1 : left->type > right->type;
}

void refcounts_compute(const struct graph *graph, struct arena *arena, struct refcounts *out) {
    struct arena scratch = {0};
    struct refcount_type *rows = arena_new(&scratch, struct refcount_type, graph->type_count + 1);
    *out = (struct refcounts){0};
    for (node_id node = graph->synthetic_count; node < graph->node_count; node++)
        add_object(graph, node, rows, out);
    for (uint32_t type = 0; type < graph->type_count; type++)
        out->type_count += rows[type].objects > 0;
    struct refcount_type *kept = arena_new(arena, struct refcount_type, out->type_count + 1);
    size_t count = 0;
    for (uint32_t type = 0; type < graph->type_count; type++) {
        if (!rows[type].objects)
            continue;
        kept[count] = rows[type];
        kept[count].type = type;
        kept[count++].key = refcounts_key(&graph->types[type]);
    }
    qsort(kept, count, sizeof *kept, compare_rows);
    out->types = kept;
    arena_deinit(&scratch);
}

struct refcounts refcounts_copy(const struct refcounts *refcounts, struct arena *arena) {
    struct refcounts copy = *refcounts;
    struct refcount_type *types = arena_new(arena, struct refcount_type, copy.type_count + 1);
    if (copy.type_count)
        memcpy(types, refcounts->types, copy.type_count * sizeof *types);
    copy.types = types;
    return copy;
}

const struct refcount_type *refcounts_find(const struct refcounts *refcounts, uint64_t key) {
    for (size_t i = 0; i < refcounts->type_count; i++)
        if (refcounts->types[i].key == key)
            return &refcounts->types[i];
    return NULL;
}

double refcounts_explained(const struct refcounts *refcounts) {
    return refcounts->checked ? (double)refcounts->exact / (double)refcounts->checked : 1;
}
