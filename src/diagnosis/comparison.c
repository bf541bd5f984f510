/* Growth by path node, and what it consists of. */
#include "diagnosis/comparison.h"

#include "base/map.h"

#include <stdlib.h>

enum { TYPES_SHOWN = 8 };

/* Types of a tree have no identity in the graph but by an example of them. */
static thing_set *find_things(const struct comparison *comparison, struct arena *arena) {
    const struct graph *graph = &comparison->evidence->heap->graph;
    const struct path_tree *tree = comparison->tree;
    struct arena scratch = {0};
    bool *known = arena_new(&scratch, bool, tree->type_count + 1);
    thing_set *of_type = arena_new(&scratch, thing_set, tree->type_count + 1);
    thing_set *of_node = arena_new(arena, thing_set, tree->count + 1);
    for (uint32_t i = 0; i < tree->count; i++) {
        const struct path_node *node = &tree->nodes[i];
        if (!known[node->type] && node->example < graph->node_count) {
            known[node->type] = true;
            of_type[node->type] = things_of_node(graph, node->example);
        }
        of_node[i] = of_type[node->type];
    }
    arena_deinit(&scratch);
    return of_node;
}

static const bool *find_apart(const struct growth *growth, const struct path_tree *tree,
                              struct arena *arena) {
    bool *apart = arena_new(arena, bool, tree->count + 1);
    for (size_t i = 0; i < growth->count; i++)
        apart[growth->holders[i].node] = true;
    for (size_t i = 0; i < growth->settled_count; i++)
        apart[growth->settled[i].node] = true;
    return apart;
}

static void subtract_first(const struct path_tree *first, const struct path_tree *last, int64_t *objects,
                           int64_t *bytes) {
    struct map index = {0};
    path_tree_index(first, &index, NULL);
    for (uint32_t i = 0; i < last->count; i++) {
        const struct path_node *node = &last->nodes[i];
        uint32_t before = map_find(&index, node->key);
        objects[i] = (int64_t)node->objects;
        bytes[i] = (int64_t)node->bytes;
        if (before == MAP_ABSENT)
            continue;
        objects[i] -= (int64_t)first->nodes[before].objects;
        bytes[i] -= (int64_t)first->nodes[before].bytes;
    }
    map_deinit(&index);
}

void comparison_make(const struct evidence *evidence, struct arena *arena, struct comparison *out) {
    const struct path_tree *last = &evidence->observations[evidence->observation_count - 1].tree;
    *out = (struct comparison){.evidence = evidence, .tree = last};
    int64_t *own_objects = arena_new(arena, int64_t, last->count + 1),
            *objects = arena_new(arena, int64_t, last->count + 1);
    int64_t *own_bytes = arena_new(arena, int64_t, last->count + 1),
            *bytes = arena_new(arena, int64_t, last->count + 1);
    subtract_first(&evidence->observations[0].tree, last, own_objects, own_bytes);
    for (uint32_t i = last->count; i-- > 0;) {
        objects[i] += own_objects[i];
        bytes[i] += own_bytes[i];
        uint32_t parent = last->nodes[i].parent;
        if (parent < i) {
            objects[parent] += objects[i];
            bytes[parent] += bytes[i];
        }
    }
    out->objects = own_objects;
    out->bytes = own_bytes;
    out->below_objects = objects;
    out->below_bytes = bytes;
    out->things = find_things(out, arena);
    out->apart = find_apart(evidence->growth, last, arena);
}

/* What is remembered of a path node while the tree is walked from the root down. */
struct place {
    bool inside, below_item;
    thing_set passed; /* things at or above it, inside the region */
};

static void add_item(const struct comparison *comparison, uint32_t node, struct growth_makeup *out) {
    int64_t objects = comparison->objects[node], bytes = comparison->below_bytes[node];
    for (size_t thing = 0; thing < THING_COUNT; thing++)
        if (comparison->things[node] & THING_BIT(thing)) {
            out->item_bytes[thing] += bytes;
            out->item_objects[thing] += objects;
        }
    if (objects > out->new_items)
        out->new_items = objects;
    size_t at = out->item_count < GROWTH_ITEMS_MOST ? out->item_count++ : GROWTH_ITEMS_MOST;
    for (; at > 0 && out->items[at - 1].below_bytes < bytes; at--)
        if (at < GROWTH_ITEMS_MOST)
            out->items[at] = out->items[at - 1];
    if (at < GROWTH_ITEMS_MOST)
        out->items[at] = (struct item_node){node, objects, bytes};
}

static void add_node(const struct comparison *comparison, uint32_t node, thing_set above,
                     struct growth_makeup *out) {
    int64_t bytes = comparison->bytes[node];
    thing_set here = above | comparison->things[node];
    out->bytes += bytes;
    out->objects += comparison->objects[node];
    for (size_t thing = 0; thing < THING_COUNT; thing++) {
        out->at_or_below[thing] += here & THING_BIT(thing) ? bytes : 0;
        out->below[thing] += above & THING_BIT(thing) ? bytes : 0;
    }
}

static bool enters(const struct comparison *comparison, struct growth_region region, uint32_t node) {
    const struct path_node *path_node = &comparison->tree->nodes[node];
    switch (region.extent) {
    case EXTENT_BELOW: return path_node->parent == region.node;
    case EXTENT_WITH: return node == region.node;
    case EXTENT_MODULES: return path_node->parent == 0 && path_node->kind == EDGE_MODULE;
    case EXTENT_GARBAGE: return path_node->parent == 0 && path_node->reach == REACH_GARBAGE;
    }
    return false;
}

/* Whether a node counts: garbage has no holders of its own, nor is the node that was asked for apart from
 * itself. */
static bool belongs(const struct comparison *comparison, struct growth_region region,
                    const struct place *above, uint32_t node) {
    bool entered = enters(comparison, region, node);
    if (!entered && !above->inside)
        return false;
    return !comparison->apart[node] || region.extent == EXTENT_GARBAGE ||
           (entered && region.extent == EXTENT_WITH);
}

void comparison_region(const struct comparison *comparison, struct growth_region region, bool *inside) {
    const struct path_tree *tree = comparison->tree;
    inside[0] = false;
    for (uint32_t i = 1; i < tree->count; i++) {
        struct place above = {.inside = inside[tree->nodes[i].parent]};
        inside[i] = belongs(comparison, region, &above, i);
    }
}

struct type_sum {
    int64_t count, bytes;
    uint32_t type;
};

static int compare_sums(const void *left, const void *right) {
    const struct type_sum *a = left, *b = right;
    if (a->bytes != b->bytes)
        return a->bytes < b->bytes ? 1 : -1;
    return (a->type > b->type) - (a->type < b->type);
}

static void keep_largest_types(const struct path_tree *tree, struct type_sum *sums, struct arena *arena,
                               struct growth_makeup *out) {
    qsort(sums, tree->type_count, sizeof *sums, compare_sums);
    out->types = arena_new(arena, struct growth_type, TYPES_SHOWN);
    for (uint32_t i = 0; i < tree->type_count && out->type_count < TYPES_SHOWN && sums[i].bytes > 0; i++) {
        const struct path_tree_type *type = &tree->types[sums[i].type];
        out->types[out->type_count++] =
            (struct growth_type){type->name, type->module, sums[i].count > 0 ? (uint64_t)sums[i].count : 0,
                                 (uint64_t)sums[i].bytes};
    }
}

void comparison_makeup(const struct comparison *comparison, struct growth_region region, struct arena *arena,
                       struct growth_makeup *out) {
    const struct path_tree *tree = comparison->tree;
    struct arena scratch = {0};
    struct place *places = arena_new(&scratch, struct place, tree->count + 1);
    struct type_sum *sums = arena_new(&scratch, struct type_sum, tree->type_count + 1);
    for (uint32_t i = 0; i < tree->type_count; i++)
        sums[i].type = i;
    *out = (struct growth_makeup){0};
    for (uint32_t i = 1; i < tree->count; i++) {
        const struct place *above = &places[tree->nodes[i].parent];
        if (!belongs(comparison, region, above, i))
            continue;
        bool item = !above->below_item && comparison->objects[i] > 0;
        places[i] = (struct place){true, above->below_item || item, above->passed | comparison->things[i]};
        add_node(comparison, i, above->passed, out);
        if (item)
            add_item(comparison, i, out);
        sums[tree->nodes[i].type].count += comparison->objects[i];
        sums[tree->nodes[i].type].bytes += comparison->bytes[i];
    }
    keep_largest_types(tree, sums, arena, out);
    arena_deinit(&scratch);
}
