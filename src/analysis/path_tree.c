/* Gives every object its path node: objects come after their holders, and one look at a holder's edges serves all
 * that hang from it. */
#include "analysis/path_tree.h"

#include "analysis/path_tree_steps.h"
#include "base/map.h"
#include "base/vector.h"

#include <ctype.h>

enum {
    TEXT_NAMED_FROM = 1024, /* smaller text is told apart by type only */
    DEEPEST = 16,           /* steps below the last single node that are told apart */
    MOST_NODES = 1 << 20,   /* of a tree; cheap paths come first */
    WORDS_MOST = 4 << 20,
    LOOK_AHEAD = 8,
};

/* What only the making of a path node needs. */
struct node_making {
    uint64_t step;
    uint32_t named_children, most_children;
    uint32_t depth; /* steps below the last single node */
};

enum naming { NAMING_FOLDED, NAMING_ALONE, NAMING_EDGE };

struct tree_child {
    uint32_t edge;
    enum naming naming;
};

struct builder {
    const struct graph *graph;
    const struct reach *reach;
    const struct paths *paths;
    struct arena *arena;
    uint32_t *node_of;
    struct vector nodes, making, types, children;
    struct map index, type_index;
    uint64_t *type_keys;    /* graph type -> hash of its name */
    uint32_t *type_numbers; /* graph type -> type of the tree, or MAP_ABSENT */
    struct vector names;    /* of the edges of one source */
    struct arena words;     /* what the names point to */
};

static struct path_node *node_at(const struct builder *builder, uint32_t node) {
    return &vector_items(&builder->nodes, struct path_node)[node];
}

static struct node_making *making_at(const struct builder *builder, uint32_t node) {
    return &vector_items(&builder->making, struct node_making)[node];
}

static uint32_t tree_type(struct builder *builder, uint32_t graph_type) {
    if (builder->type_numbers[graph_type] != MAP_ABSENT)
        return builder->type_numbers[graph_type];
    const struct graph_type *type = &builder->graph->types[graph_type];
    uint64_t key = builder->type_keys[graph_type];
    uint32_t number = map_find(&builder->type_index, key);
    if (number == MAP_ABSENT) {
        number = (uint32_t)builder->types.count;
        map_set(&builder->type_index, key, number);
        *vector_push(&builder->types, struct path_tree_type) = (struct path_tree_type){
            .name = {arena_copy_text(builder->arena, type->name.data, type->name.length), type->name.length},
            .module = {arena_copy_text(builder->arena, type->module.data, type->module.length), type->module.length},
            .role = type->role,
            .flags = type->flags,
        };
    }
    return builder->type_numbers[graph_type] = number;
}

static uint32_t add_node(struct builder *builder, uint32_t parent, uint64_t key, uint64_t step, node_id object) {
    uint32_t node = (uint32_t)builder->nodes.count;
    *vector_push(&builder->nodes, struct path_node) = (struct path_node){
        .parent = parent,
        .key = key,
        .type = tree_type(builder, builder->graph->type_of[object]),
        .reach = builder->reach->class_of[object],
        .example = object,
    };
    vector_push(&builder->making, struct node_making)->step = step;
    return node;
}

/* The nearest node from `node` upwards that was reached by the same step; MAP_ABSENT if none is near. */
static uint32_t repeated_ancestor(const struct builder *builder, uint32_t node, uint64_t step) {
    for (int depth = 0; depth < PATH_TREE_FOLD_DEPTH && node != 0; depth++) {
        if (making_at(builder, node)->step == step)
            return node;
        node = node_at(builder, node)->parent;
    }
    return MAP_ABSENT;
}

struct step {
    enum edge_kind kind;
    bool folded;
    struct span name;
};

static uint64_t hash_of_step(const struct builder *builder, const struct step *step, node_id target) {
    uint64_t type_key = builder->type_keys[builder->graph->type_of[target]];
    return path_step_hash(step->kind, step->folded, step->name, type_key, builder->reach->class_of[target]);
}

static uint32_t make_node(struct builder *builder, uint32_t parent, const struct step *step, uint64_t step_hash,
                          uint64_t key, node_id target) {
    uint32_t node = MAP_ABSENT;
    /* Every instance has a __dict__: that is no repetition. */
    if (step->kind != EDGE_NAMESPACE)
        node = repeated_ancestor(builder, parent, step_hash);
    if (node == MAP_ABSENT && (making_at(builder, parent)->depth >= DEEPEST || builder->nodes.count >= MOST_NODES))
        node = parent;
    if (node != MAP_ABSENT) {
        node_at(builder, node)->single = false;
    } else {
        node = add_node(builder, parent, key, step_hash, target);
        node_at(builder, node)->kind = (uint8_t)step->kind;
        node_at(builder, node)->single = node_at(builder, parent)->single && !step->folded;
        making_at(builder, parent)->named_children += !step->folded;
        if (!node_at(builder, node)->single)
            making_at(builder, node)->depth = making_at(builder, parent)->depth + 1;
    }
    map_set(&builder->index, key, node);
    return node;
}

/* Books `target` on the node that `step` from `parent` leads to. */
static void place(struct builder *builder, uint32_t parent, struct step step, node_id target) {
    uint64_t step_hash = hash_of_step(builder, &step, target);
    uint64_t key = path_key(node_at(builder, parent)->key, step_hash);
    uint32_t node = map_find(&builder->index, key);
    bool crowded = parent != 0 && making_at(builder, parent)->named_children >= PATH_TREE_NAMED_CHILDREN;
    if (node == MAP_ABSENT && crowded && !step.folded && step.name.length) {
        step = (struct step){.kind = step.kind, .folded = true};
        step_hash = hash_of_step(builder, &step, target);
        key = path_key(node_at(builder, parent)->key, step_hash);
        node = map_find(&builder->index, key);
    }
    if (node == MAP_ABSENT)
        node = make_node(builder, parent, &step, step_hash, key, target);
    node_at(builder, node)->objects++;
    node_at(builder, node)->bytes += builder->graph->sizes[target];
    builder->node_of[target] = node;
}

static bool has_few_keys(const struct graph *graph, node_id dict) {
    uint32_t keys = 0;
    if (graph_out_degree(graph, dict) > 3 * PATH_TREE_NAMED_KEYS)
        return false;
    for (uint32_t edge = graph->out_begin[dict]; edge < graph->out_begin[dict + 1]; edge++)
        keys += graph->out_kind[edge] == EDGE_KEY;
    return keys <= PATH_TREE_NAMED_KEYS;
}

/* What is known of a source before its edges are looked at. */
struct source {
    node_id node;
    uint32_t path_node;
    bool is_namespace, names_keys, is_code;
};

static enum naming naming_of(const struct builder *builder, const struct source *source, uint32_t edge) {
    const struct graph *graph = builder->graph;
    node_id target = graph->out_target[edge];
    bool is_text = graph_type_of(graph, target)->role == ROLE_TEXT && graph->sizes[target] < TEXT_NAMED_FROM;
    enum edge_kind kind = (enum edge_kind)graph->out_kind[edge];
    if (is_text || source->is_code || kind == EDGE_INDEX || kind == EDGE_KEY_OBJECT)
        return NAMING_FOLDED;
    if (kind == EDGE_NAMESPACE || kind == EDGE_CELL || kind == EDGE_TYPE)
        return NAMING_ALONE;
    if (kind == EDGE_KEY)
        return source->is_namespace || source->names_keys ? NAMING_EDGE : NAMING_FOLDED;
    return NAMING_EDGE;
}

/* The edges of the source that best paths take; returns how many of them want a name. */
static uint32_t collect_children(struct builder *builder, const struct source *source) {
    const struct graph *graph = builder->graph;
    uint32_t wanted = 0, end = graph->out_begin[source->node + 1];
    builder->children.count = 0;
    for (uint32_t edge = graph->out_begin[source->node]; edge < end; edge++) {
        if (builder->paths->parent_edge[graph->out_target[edge]] != edge)
            continue;
        enum naming naming = naming_of(builder, source, edge);
        *vector_push(&builder->children, struct tree_child) = (struct tree_child){edge, naming};
        wanted += naming == NAMING_EDGE;
    }
    return wanted;
}

static void fetch_names(struct builder *builder, node_id source) {
    const struct graph *graph = builder->graph;
    if (builder->words.bytes > WORDS_MOST)
        arena_deinit(&builder->words);
    vector_reserve(&builder->names, sizeof(struct edge_name), graph_out_degree(graph, source) + 1);
    graph->describe.edge_names(graph->describe.context, source, builder->names.items, &builder->words);
}

static bool is_named_role(uint32_t role) {
    return role == ROLE_MODULE || role == ROLE_TYPE || role == ROLE_FUNCTION || role == ROLE_THREAD ||
           role == ROLE_ACTIVATION || role == ROLE_TABLE;
}

/* "worker-17" -> "worker-#". */
static struct span without_digits(struct span name, struct arena *words) {
    char *text = arena_allocate(words, 1, name.length + 1);
    size_t length = 0;
    for (size_t i = 0; i < name.length; i++) {
        bool digit = isdigit((unsigned char)name.data[i]);
        if (!digit || length == 0 || text[length - 1] != '#')
            text[length++] = digit ? '#' : name.data[i];
    }
    return (struct span){text, length};
}

static struct step named_step(struct builder *builder, const struct source *source, uint32_t edge) {
    const struct graph *graph = builder->graph;
    node_id target = graph->out_target[edge];
    struct step step = {.kind = (enum edge_kind)graph->out_kind[edge]};
    step.name = vector_items(&builder->names, struct edge_name)[edge - graph->out_begin[source->node]].text;
    if (!step.name.length && is_named_role(graph_type_of(graph, target)->role))
        step.name = graph->describe.node_name(graph->describe.context, target, &builder->words);
    if (step.kind == EDGE_THREAD)
        step.name = without_digits(step.name, &builder->words);
    step.folded = !step.name.length || (step.kind == EDGE_THREAD && memchr(step.name.data, '#', step.name.length));
    return step;
}

static struct source source_of(const struct builder *builder, node_id node) {
    const struct graph *graph = builder->graph;
    struct source source = {.node = node, .path_node = builder->node_of[node]};
    uint32_t edge = builder->paths->parent_edge[node];
    source.is_namespace = edge != UINT32_MAX && graph->out_kind[edge] == EDGE_NAMESPACE;
    source.is_code = graph_type_of(graph, node)->role == ROLE_CODE;
    source.names_keys = !source.is_namespace && node_at(builder, source.path_node)->single &&
                        has_few_keys(graph, node);
    return source;
}

static void place_children(struct builder *builder, node_id node) {
    struct source source = source_of(builder, node);
    uint32_t wanted = collect_children(builder, &source);
    if (node != NODE_ROOT && wanted > PATH_TREE_NAMED_CHILDREN)
        wanted = 0;
    if (wanted)
        fetch_names(builder, node);
    for (size_t i = 0; i < builder->children.count; i++) {
        struct tree_child child = vector_items(&builder->children, struct tree_child)[i];
        struct step step = {.kind = (enum edge_kind)builder->graph->out_kind[child.edge]};
        step.folded = child.naming != NAMING_ALONE;
        if (child.naming == NAMING_EDGE && wanted)
            step = named_step(builder, &source, child.edge);
        place(builder, source.path_node, step, builder->graph->out_target[child.edge]);
    }
    struct node_making *making = making_at(builder, source.path_node);
    if (builder->children.count > making->most_children) {
        making->most_children = (uint32_t)builder->children.count;
        node_at(builder, source.path_node)->example = node;
    }
}

static void place_entries(struct builder *builder) {
    for (uint32_t i = 0; i < builder->reach->entry_count; i++) {
        node_id entry = builder->reach->entries[i];
        if (builder->paths->parent[entry] == NODE_ROOT && builder->paths->parent_edge[entry] == UINT32_MAX)
            place(builder, 0, (struct step){.kind = EDGE_SLOT, .folded = true}, entry);
    }
}

static void place_all(struct builder *builder) {
    const struct graph *graph = builder->graph;
    add_node(builder, UINT32_MAX, PATH_ROOT_KEY, 0, NODE_ROOT);
    node_at(builder, 0)->single = true;
    builder->node_of[NODE_ROOT] = 0;
    place_entries(builder);
    for (uint32_t i = 0; i < graph->node_count; i++) {
        if (i + LOOK_AHEAD < graph->node_count)
            __builtin_prefetch(&graph->out_begin[builder->paths->order[i + LOOK_AHEAD]]);
        node_id node = builder->paths->order[i];
        if (graph_out_degree(graph, node))
            place_children(builder, node);
    }
}

static void sum_subtrees(struct path_tree *tree) {
    for (uint32_t node = 0; node < tree->count; node++) {
        tree->nodes[node].subtree_objects = tree->nodes[node].objects;
        tree->nodes[node].subtree_bytes = tree->nodes[node].bytes;
    }
    for (uint32_t node = tree->count; node-- > 1;) {
        struct path_node *parent = &tree->nodes[tree->nodes[node].parent];
        parent->subtree_objects += tree->nodes[node].subtree_objects;
        parent->subtree_bytes += tree->nodes[node].subtree_bytes;
    }
}

/* A path node that has one object is that object, folded or not: what runs at the moment may be found by way of a
 * table of what runs at the moment. */
static void set_addresses(struct path_tree *tree, const struct graph *graph) {
    for (uint32_t node = 0; node < tree->count; node++)
        if (tree->nodes[node].objects == 1)
            tree->nodes[node].address = graph->addresses[tree->nodes[node].example];
}

static void *copy_items(const struct vector *vector, size_t item_size, struct arena *arena) {
    void *copy = arena_allocate(arena, item_size, vector->count);
    if (vector->count)
        memcpy(copy, vector->items, item_size * vector->count);
    return copy;
}

static void begin(struct builder *builder, struct arena *scratch, struct arena *nodes_arena) {
    const struct graph *graph = builder->graph;
    builder->node_of = arena_new(nodes_arena ? nodes_arena : scratch, uint32_t, graph->node_count);
    builder->type_keys = arena_new(scratch, uint64_t, graph->type_count);
    builder->type_numbers = arena_new(scratch, uint32_t, graph->type_count);
    for (uint32_t type = 0; type < graph->type_count; type++) {
        builder->type_keys[type] = path_type_key(graph->types[type].module, graph->types[type].name);
        builder->type_numbers[type] = MAP_ABSENT;
    }
}

static void end(struct builder *builder) {
    arena_deinit(&builder->words);
    map_deinit(&builder->index);
    map_deinit(&builder->type_index);
    vector_deinit(&builder->nodes);
    vector_deinit(&builder->making);
    vector_deinit(&builder->types);
    vector_deinit(&builder->children);
    vector_deinit(&builder->names);
}

void path_tree_build(const struct graph *graph, const struct reach *reach, const struct paths *paths,
                     struct arena *nodes_arena, struct arena *arena, struct path_tree *out) {
    struct arena scratch = {0};
    struct builder builder = {.graph = graph, .reach = reach, .paths = paths, .arena = arena};
    begin(&builder, &scratch, nodes_arena);
    place_all(&builder);
    *out = (struct path_tree){
        .nodes = copy_items(&builder.nodes, sizeof(struct path_node), arena),
        .count = (uint32_t)builder.nodes.count,
        .types = copy_items(&builder.types, sizeof(struct path_tree_type), arena),
        .type_count = (uint32_t)builder.types.count,
        .node_of = nodes_arena ? builder.node_of : NULL,
    };
    sum_subtrees(out);
    set_addresses(out, graph);
    end(&builder);
    arena_deinit(&scratch);
}

void path_tree_index(const struct path_tree *tree, struct map *by_key, struct map *by_address) {
    for (uint32_t node = 0; node < tree->count; node++) {
        map_set(by_key, tree->nodes[node].key, node);
        if (by_address && tree->nodes[node].address)
            map_set(by_address, tree->nodes[node].address, node);
    }
}
