/* What grew at a holder: the types of the new objects, and the branch most of them hang on. */
#include "analysis/growth_work.h"
#include "analysis/path_tree_steps.h"

#include <stdlib.h>

enum { TYPES_MOST = 8 };

struct type_row {
    const struct path_tree_type *type;
    int64_t count, bytes;
};

struct type_rows {
    struct vector rows;
    struct map index; /* hash of the type's name -> row */
};

static struct type_row *row_of(struct type_rows *rows, const struct path_tree_type *type) {
    uint64_t key = path_type_key(type->module, type->name);
    uint32_t row = map_find(&rows->index, key);
    if (row == MAP_ABSENT) {
        row = (uint32_t)rows->rows.count;
        map_set(&rows->index, key, row);
        vector_push(&rows->rows, struct type_row)->type = type;
    }
    return &vector_items(&rows->rows, struct type_row)[row];
}

uint32_t growth_module_table(const struct growth_work *work) {
    struct span builtins = SPAN("builtins");
    uint64_t module = path_type_key(builtins, SPAN("module")), dict = path_type_key(builtins, SPAN("dict"));
    uint64_t key = path_key(PATH_ROOT_KEY, path_step_hash(EDGE_MODULE, false, SPAN("sys"), module, REACH_LIVE));
    key = path_key(key, path_step_hash(EDGE_NAMESPACE, false, (struct span){0}, dict, REACH_LIVE));
    key = path_key(key, path_step_hash(EDGE_KEY, false, SPAN("modules"), dict, REACH_LIVE));
    for (uint32_t node = 0; node < work->last->count; node++)
        if (work->last->nodes[node].key == key)
            return node;
    return 0;
}

/* The modules themselves hang on the root, though sys.modules is what a person would call their holder. */
static bool begins_scope(const struct growth_work *work, const struct path_tree *tree, uint32_t node, uint32_t start,
                         bool modules) {
    if (!modules)
        return node == start;
    return tree->nodes[node].parent == 0 && tree->nodes[node].kind == EDGE_MODULE &&
           map_find(&work->branches, tree->nodes[node].key) == MAP_ABSENT;
}

/* Adds all below `start`, without the branches that are judged by themselves, `sign` times. */
static void sum_types(struct growth_work *work, const struct path_tree *tree, uint32_t start, bool modules, int sign,
                      struct type_rows *rows) {
    struct arena scratch = {0};
    bool *inside = arena_new(&scratch, bool, tree->count);
    for (uint32_t node = modules ? 1 : start; node < tree->count; node++) {
        const struct path_node *path_node = &tree->nodes[node];
        bool inherited = node != 0 && path_node->parent != UINT32_MAX && inside[path_node->parent] &&
                         map_find(&work->branches, path_node->key) == MAP_ABSENT;
        inside[node] = inherited || begins_scope(work, tree, node, start, modules);
        if (!inside[node])
            continue;
        struct type_row *row = row_of(rows, &tree->types[path_node->type]);
        row->count += sign * (int64_t)path_node->objects;
        row->bytes += sign * (int64_t)path_node->bytes;
    }
    arena_deinit(&scratch);
}

static int compare_spans(struct span a, struct span b) {
    size_t common = a.length < b.length ? a.length : b.length;
    int order = common ? memcmp(a.data, b.data, common) : 0;
    return order ? order : (a.length > b.length) - (a.length < b.length);
}

static int compare_rows(const void *left, const void *right) {
    const struct type_row *a = left, *b = right;
    if (a->bytes != b->bytes)
        return a->bytes < b->bytes ? 1 : -1;
    if (a->count != b->count)
        return a->count < b->count ? 1 : -1;
    int by_name = compare_spans(a->type->name, b->type->name);
    return by_name ? by_name : compare_spans(a->type->module, b->type->module);
}

static void keep_most_grown(struct growth_work *work, struct type_rows *rows, struct growth_holder *holder) {
    struct type_row *sorted = vector_items(&rows->rows, struct type_row);
    if (rows->rows.count)
        qsort(sorted, rows->rows.count, sizeof *sorted, compare_rows);
    holder->types = arena_new(work->arena, struct growth_type, TYPES_MOST);
    for (size_t i = 0; i < rows->rows.count && holder->type_count < TYPES_MOST; i++) {
        if (sorted[i].bytes <= 0 && sorted[i].count <= 0)
            continue;
        holder->types[holder->type_count++] = (struct growth_type){
            .name = sorted[i].type->name,
            .module = sorted[i].type->module,
            .count = sorted[i].count > 0 ? (uint64_t)sorted[i].count : 0,
            .bytes = sorted[i].bytes > 0 ? (uint64_t)sorted[i].bytes : 0,
        };
    }
}

static int64_t growth_of_child(const struct growth_work *work, uint32_t child) {
    uint32_t match = growth_match(work, 0, child);
    int64_t before = match == MAP_ABSENT ? 0 : (int64_t)work->observations[0].tree.nodes[match].subtree_bytes;
    return (int64_t)work->last->nodes[child].subtree_bytes - before;
}

static uint32_t most_grown_child(const struct growth_work *work, uint32_t node, bool modules) {
    uint32_t best = UINT32_MAX;
    int64_t most = 0;
    for (uint32_t child = work->first_child[modules ? 0 : node]; child; child = work->next_sibling[child]) {
        if (map_find(&work->branches, work->last->nodes[child].key) != MAP_ABSENT)
            continue;
        int64_t grown = growth_of_child(work, child);
        if (grown > most && (!modules || work->last->nodes[child].kind == EDGE_MODULE)) {
            most = grown;
            best = child;
        }
    }
    return best;
}

void growth_explain(struct growth_work *work, struct growth_holder *holder) {
    struct type_rows rows = {0};
    /* Of all holders only sys.modules can be the root or no branch: what it holds is filed under the root. */
    bool modules = map_find(&work->branches, work->last->nodes[holder->node].key) == MAP_ABSENT;
    size_t first = 0;
    while (growth_match(work, first, holder->node) == MAP_ABSENT)
        first++;
    sum_types(work, work->last, holder->node, modules, 1, &rows);
    sum_types(work, &work->observations[first].tree, growth_match(work, first, holder->node), modules, -1, &rows);
    keep_most_grown(work, &rows, holder);
    holder->child = most_grown_child(work, holder->node, modules);
    map_deinit(&rows.index);
    vector_deinit(&rows.rows);
}
