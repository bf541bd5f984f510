/* What changed between two heaps: by type, and by named path. */
#include "analysis/census.h"
#include "app/changes.h"
#include "base/map.h"

#include <stdlib.h>

/* A path node whose growth is mostly that of one child is left out for the child. */
static const double CHILD_SHARE = 0.7;

static struct table_change *list_types(struct stage *stage, struct arena *arena, size_t *count_out) {
    const struct graph *graph = &stage->heap->graph;
    struct census census;
    census_compute(graph, NULL, &stage->arena, &census);
    struct table_change *rows = arena_new(arena, struct table_change, census.count + 1);
    size_t count = 0;
    for (size_t i = 0; i < census.count; i++) {
        const struct graph_type *type = &graph->types[census.rows[i].type];
        if (type->role < ROLE_THREAD)
            rows[count++] = (struct table_change){.name = tables_qualified(type->module, type->name, arena),
                                                  .objects = (int64_t)census.rows[i].count,
                                                  .bytes = (int64_t)census.rows[i].bytes};
    }
    *count_out = count;
    return rows;
}

void changes_remember(struct stage *stage, struct arena *arena, struct census_memory *out) {
    out->types = list_types(stage, arena, &out->type_count);
    path_tree_build(&stage->heap->graph, &stage->reach, &stage->paths, NULL, arena, &out->tree);
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const struct table_change *)a)->name, ((const struct table_change *)b)->name);
}

static int by_change(const void *a, const void *b) {
    const struct table_change *one = a, *other = b;
    int64_t size = llabs(one->bytes), other_size = llabs(other->bytes);
    if (size != other_size)
        return size < other_size ? 1 : -1;
    return by_name(a, b);
}

/* Sorted by name, rows of one name added up. */
static size_t fold_names(struct table_change *rows, size_t count) {
    qsort(rows, count, sizeof *rows, by_name);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (kept && strcmp(rows[kept - 1].name, rows[i].name) == 0) {
            rows[kept - 1].objects += rows[i].objects;
            rows[kept - 1].bytes += rows[i].bytes;
        } else {
            rows[kept++] = rows[i];
        }
    }
    return kept;
}

/* Drops rows without change, sorts the rest by size of the change. */
static size_t keep_largest(struct table_change *rows, size_t count, size_t limit) {
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        if (rows[i].objects || rows[i].bytes)
            rows[kept++] = rows[i];
    qsort(rows, kept, sizeof *rows, by_change);
    return kept < limit ? kept : limit;
}

void changes_by_type(struct stage *stage, const struct census_memory *before, size_t limit, struct table_diff *out) {
    size_t after_count;
    struct table_change *after = list_types(stage, &stage->arena, &after_count);
    size_t total = after_count + before->type_count;
    struct table_change *rows = arena_new(&stage->arena, struct table_change, total + 1);
    memcpy(rows, after, after_count * sizeof *rows);
    for (size_t i = 0; i < before->type_count; i++) {
        struct table_change *row = &rows[after_count + i];
        *row = before->types[i];
        row->objects = -row->objects;
        row->bytes = -row->bytes;
    }
    out->types = rows;
    out->type_count = keep_largest(rows, fold_names(rows, total), limit);
}

/* Growth of the subtree of every path node that both heaps have, or that is new. */
static int64_t *measure_growth(const struct path_tree *before, const struct path_tree *after, struct arena *arena,
                               int64_t *objects) {
    struct map index = {0};
    path_tree_index(before, &index, NULL);
    int64_t *bytes = arena_new(arena, int64_t, after->count + 1);
    for (uint32_t i = 0; i < after->count; i++) {
        uint32_t same = map_find(&index, after->nodes[i].key);
        bytes[i] = (int64_t)after->nodes[i].subtree_bytes;
        objects[i] = (int64_t)after->nodes[i].subtree_objects;
        if (same != MAP_ABSENT) {
            bytes[i] -= (int64_t)before->nodes[same].subtree_bytes;
            objects[i] -= (int64_t)before->nodes[same].subtree_objects;
        }
    }
    map_deinit(&index);
    return bytes;
}

/* Whether most of a node's growth is that of one child, so that the child is the one to name. */
static bool *find_passages(const struct path_tree *tree, const int64_t *bytes, struct arena *arena) {
    bool *passage = arena_new(arena, bool, tree->count + 1);
    for (uint32_t i = 1; i < tree->count; i++) {
        uint32_t parent = tree->nodes[i].parent;
        if (tree->nodes[i].single && (double)bytes[i] >= CHILD_SHARE * (double)bytes[parent])
            passage[parent] = true;
    }
    passage[0] = true;
    return passage;
}

void changes_by_path(struct stage *stage, const struct census_memory *before, size_t limit, struct table_diff *out) {
    struct arena *arena = &stage->arena;
    struct path_tree tree;
    path_tree_build(&stage->heap->graph, &stage->reach, &stage->paths, NULL, arena, &tree);
    int64_t *objects = arena_new(arena, int64_t, tree.count + 1);
    int64_t *bytes = measure_growth(&before->tree, &tree, arena, objects);
    bool *passage = find_passages(&tree, bytes, arena);
    bool *covered = arena_new(arena, bool, tree.count + 1); /* a row stands for it already */
    struct table_change *rows = arena_new(arena, struct table_change, tree.count + 1);
    size_t count = 0;
    for (uint32_t i = 1; i < tree.count; i++) {
        covered[i] = covered[tree.nodes[i].parent];
        node_id example = tree.nodes[i].example;
        if (covered[i] || passage[i] || bytes[i] <= 0 || !tree.nodes[i].single ||
            example < stage->heap->graph.synthetic_count)
            continue;
        covered[i] = true;
        rows[count++] = (struct table_change){NULL, NULL, objects[i], bytes[i]};
        rows[count - 1].name = tables_path(stage, example, NULL, arena);
        rows[count - 1].type = tables_type_name(&stage->heap->graph, example, arena);
    }
    out->paths = rows;
    out->path_count = keep_largest(rows, count, limit);
}
