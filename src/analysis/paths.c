/* Cheapest paths by Dial's algorithm: Dijkstra with a ring of buckets, one for each cost that can be pending. */
#include "analysis/paths.h"

/* What a step costs, by what a person would rather read. Whole numbers; all pending costs lie within one turn
 * of the ring, so no single step may reach RING. */
enum {
    COST_USER_MODULE = 0,     /* the user's own modules are where people look */
    COST_LIBRARY_MODULE = 2,  /* a registry in a library is next */
    COST_BUILTIN_MODULE = 3,  /* sys, builtins: everything hangs there somehow */
    COST_TABLE = 10,          /* atexit, codecs: known by name, but nobody's variable */
    COST_THREAD = 12,         /* a running frame: true only for the moment */
    COST_IMMORTAL = 20,       /* a static type explains nothing */
    COST_STATIC = 30,         /* somewhere in the data of a library */
    COST_ENTRY = 60,          /* held by nobody that can be named */

    COST_NAMESPACE = 0,       /* left out of the text */
    COST_VARIABLE = 1,        /* X.name: global, class attribute, instance attribute */
    COST_ITEM = 2,            /* X["key"], X[17]: readable, but one of many */
    COST_KEY_OBJECT = 3,      /* being a key is less than being a value */
    COST_SLOT = 2,            /* __closure__, __self__: Python can name it */
    COST_UNKNOWN_SLOT = 6,    /* a word in a C structure that nobody described */
    COST_CELL = 2,
    COST_FRAME = 1,
    COST_LOCAL = 2,
    COST_BASE = 12,           /* an explanation of the class, not of the object */
    COST_TYPE = 20,           /* every object has one */
    COST_GLOBALS = 30,        /* every function has them; they belong to the module */
    COST_INTO_MODULE = 30,    /* a module has its own root: `import` is no ownership */

    EXTRA_PRIVATE_MODULE = 1, /* ctypes before _ctypes */
    EXTRA_IMPORTED = 4,       /* a class or function under another module's name */
    EXTRA_STRANGER = 3,       /* another module's instance: logging.Logger before app.LOG */
    EXTRA_CACHE = 6,          /* a cache keeps only what nobody else keeps */
    EXTRA_TRACEBACK = 6,      /* a traceback's frame is a bystander */

    RING = 128,
};

static const uint8_t kind_costs[EDGE_KIND_COUNT] = {
    [EDGE_SLOT] = COST_SLOT,           [EDGE_TYPE] = COST_TYPE,           [EDGE_ATTRIBUTE] = COST_VARIABLE,
    [EDGE_NAMESPACE] = COST_NAMESPACE, [EDGE_KEY] = COST_ITEM,            [EDGE_KEY_OBJECT] = COST_KEY_OBJECT,
    [EDGE_INDEX] = COST_ITEM,          [EDGE_CELL] = COST_CELL,           [EDGE_LOCAL] = COST_LOCAL,
    [EDGE_GLOBALS] = COST_GLOBALS,     [EDGE_BASE] = COST_BASE,           [EDGE_MODULE] = COST_INTO_MODULE,
    [EDGE_THREAD] = COST_THREAD,       [EDGE_FRAME] = COST_FRAME,         [EDGE_INTERPRETER] = COST_TABLE,
    [EDGE_STATIC] = COST_STATIC,       [EDGE_IMMORTAL] = COST_IMMORTAL,
};

enum module_mark { NO_MODULE, PUBLIC_MODULE, PRIVATE_MODULE };

/* A search in progress. */
struct search {
    const struct graph *graph;
    node_id *parent, *order;
    uint32_t *parent_edge, *cost;
    uint32_t settled_count;
    /* The ring: doubly linked lists, first come first served, so that equal costs keep the drawing's order. */
    node_id first[RING], last[RING];
    node_id *next, *previous;
    uint64_t pending;
    /* Module that a node belongs to by itself, 0 if that does not matter; later also by what holds it. */
    uint32_t *home;
    uint32_t *type_home; /* by type */
    uint8_t *is_module;  /* enum module_mark of modules and their namespaces, which have roots of their own */
};

/* Home is a number for each module name, from 1. */
static uint32_t home_of_name(struct map *homes, struct span name) {
    uint64_t key = span_hash(name, 0);
    uint32_t home = map_find(homes, key);
    if (home != MAP_ABSENT)
        return home;
    home = (uint32_t)homes->count + 1;
    map_set(homes, key, home);
    return home;
}

/* A module's namespace is as much the module as the module itself: __builtins__ is a global of every module. */
static void claim_namespace(struct search *search, node_id module) {
    const struct graph *graph = search->graph;
    for (uint32_t e = graph->out_begin[module]; e < graph->out_begin[module + 1]; e++) {
        if (graph->out_kind[e] != EDGE_NAMESPACE)
            continue;
        search->home[graph->out_target[e]] = search->home[module];
        search->is_module[graph->out_target[e]] = PUBLIC_MODULE;
    }
}

static void find_module_homes(struct search *search, struct map *homes) {
    const struct graph *graph = search->graph;
    struct arena scratch = {0};
    for (uint32_t e = graph->out_begin[NODE_ROOT]; e < graph->out_begin[1]; e++) {
        node_id module = graph->out_target[e];
        if (graph->out_kind[e] != EDGE_MODULE)
            continue;
        struct span name = graph->describe.node_name(graph->describe.context, module, &scratch);
        if (!name.length)
            continue;
        search->home[module] = home_of_name(homes, name);
        bool private = name.data[0] == '_' && !span_is(name, "__main__");
        search->is_module[module] = private ? PRIVATE_MODULE : PUBLIC_MODULE;
        claim_namespace(search, module);
    }
    arena_deinit(&scratch);
}

static void find_type_homes(struct search *search, struct map *homes) {
    const struct graph *graph = search->graph;
    for (uint32_t t = 0; t < graph->type_count; t++) {
        const struct graph_type *type = &graph->types[t];
        if (!type->module.length)
            continue;
        uint32_t home = home_of_name(homes, type->module);
        if (type->flags & (TYPE_USER_CODE | TYPE_LIBRARY_CODE))
            search->type_home[t] = home;
        node_id node = type->address ? graph_find_address(graph, type->address) : NODE_NONE;
        if (node != NODE_NONE)
            search->home[node] = home;
    }
}

/* A function belongs to the module whose namespace is its globals; an instance to its class's. */
static void find_object_homes(struct search *search) {
    const struct graph *graph = search->graph;
    for (node_id n = graph->synthetic_count; n < graph->node_count; n++) {
        if (search->home[n])
            continue;
        search->home[n] = search->type_home[graph->type_of[n]];
        if (graph_type_of(graph, n)->role != ROLE_FUNCTION)
            continue;
        uint32_t e = graph->out_begin[n]; /* __globals__ comes before __builtins__ */
        while (e < graph->out_begin[n + 1] && graph->out_kind[e] != EDGE_GLOBALS)
            e++;
        if (e < graph->out_begin[n + 1])
            search->home[n] = search->home[graph->out_target[e]];
    }
}

static void find_homes(struct search *search, struct arena *scratch) {
    struct map homes = {0};
    search->home = arena_new(scratch, uint32_t, search->graph->node_count);
    search->is_module = arena_new(scratch, uint8_t, search->graph->node_count);
    search->type_home = arena_new(scratch, uint32_t, search->graph->type_count);
    find_module_homes(search, &homes);
    find_type_homes(search, &homes);
    find_object_homes(search);
    map_deinit(&homes);
}

static uint32_t module_cost(const struct search *search, node_id module) {
    uint32_t flags = search->graph->flags[module];
    uint32_t cost = flags & NODE_USER_CODE      ? COST_USER_MODULE
                    : flags & NODE_LIBRARY_CODE ? COST_LIBRARY_MODULE
                                                : COST_BUILTIN_MODULE;
    return search->is_module[module] == PRIVATE_MODULE ? cost + EXTRA_PRIVATE_MODULE : cost;
}

static uint32_t root_cost(const struct search *search, uint32_t edge) {
    uint32_t kind = search->graph->out_kind[edge];
    if (kind == EDGE_MODULE)
        return module_cost(search, search->graph->out_target[edge]);
    return kind_costs[kind] < COST_TABLE ? COST_STATIC : kind_costs[kind];
}

static uint32_t stranger_cost(const struct search *search, node_id source, node_id target) {
    uint32_t from = search->home[source], to = search->home[target];
    if (!from || !to || from == to)
        return 0;
    uint32_t role = graph_type_of(search->graph, target)->role;
    if (role == ROLE_TYPE || role == ROLE_FUNCTION)
        return EXTRA_IMPORTED;
    return search->type_home[search->graph->type_of[target]] == to ? EXTRA_STRANGER : 0;
}

/* A key of a dict that was reached as somebody's __dict__ is a variable. */
static bool is_variable(const struct search *search, node_id source) {
    uint32_t edge = search->parent_edge[source];
    return edge != UINT32_MAX && search->graph->out_kind[edge] == EDGE_NAMESPACE;
}

static uint32_t edge_cost(const struct search *search, node_id source, uint32_t edge) {
    const struct graph *graph = search->graph;
    if (source == NODE_ROOT)
        return root_cost(search, edge);
    node_id target = graph->out_target[edge];
    const struct graph_type *source_type = graph_type_of(graph, source);
    uint32_t kind = graph->out_kind[edge], cost = kind_costs[kind];
    if (kind == EDGE_KEY && is_variable(search, source))
        cost = COST_VARIABLE;
    if (kind == EDGE_SLOT && (source_type->flags & TYPE_FOREIGN))
        cost = COST_UNKNOWN_SLOT;
    bool into_module = graph_type_of(graph, target)->role == ROLE_MODULE ||
                       (search->is_module[target] && kind != EDGE_NAMESPACE);
    if (into_module && cost < COST_INTO_MODULE)
        cost = COST_INTO_MODULE;
    if (source_type->role == ROLE_CACHE)
        cost += EXTRA_CACHE;
    if (source_type->role == ROLE_TRACEBACK)
        cost += EXTRA_TRACEBACK;
    return cost + stranger_cost(search, source, target);
}

static void unlink_node(struct search *search, node_id node) {
    uint32_t bucket = search->cost[node] % RING;
    node_id next = search->next[node], previous = search->previous[node];
    if (previous == NODE_NONE)
        search->first[bucket] = next;
    else
        search->next[previous] = next;
    if (next == NODE_NONE)
        search->last[bucket] = previous;
    else
        search->previous[next] = previous;
    search->pending--;
}

static void link_node(struct search *search, node_id node) {
    uint32_t bucket = search->cost[node] % RING;
    search->next[node] = NODE_NONE;
    search->previous[node] = search->last[bucket];
    if (search->last[bucket] == NODE_NONE)
        search->first[bucket] = node;
    else
        search->next[search->last[bucket]] = node;
    search->last[bucket] = node;
    search->pending++;
}

/* `node` can be reached at `cost`. Settled nodes are never improved, since no cost is negative. */
static void offer(struct search *search, node_id node, uint32_t cost, node_id parent, uint32_t edge) {
    if (search->cost[node] <= cost)
        return;
    if (search->cost[node] != UINT32_MAX)
        unlink_node(search, node);
    search->cost[node] = cost;
    search->parent[node] = parent;
    search->parent_edge[node] = edge;
    link_node(search, node);
}

/* What has no home of its own belongs where its best path comes from: a list in a module is the module's. */
static void settle(struct search *search, node_id node) {
    const struct graph *graph = search->graph;
    unlink_node(search, node);
    search->order[search->settled_count++] = node;
    if (!search->home[node] && search->parent[node] != NODE_NONE)
        search->home[node] = search->home[search->parent[node]];
    for (uint32_t e = graph->out_begin[node]; e < graph->out_begin[node + 1]; e++)
        if (search->cost[graph->out_target[e]] > search->cost[node])
            offer(search, graph->out_target[e], search->cost[node] + edge_cost(search, node, e), node, e);
}

static void start_search(struct search *search, const struct reach *reach, struct arena *arena,
                         struct arena *scratch) {
    uint32_t count = search->graph->node_count;
    search->parent = arena_new(arena, node_id, count);
    search->parent_edge = arena_new(arena, uint32_t, count);
    search->cost = arena_new(arena, uint32_t, count);
    search->order = arena_new(arena, node_id, count);
    search->next = arena_new(scratch, node_id, count);
    search->previous = arena_new(scratch, node_id, count);
    memset(search->parent, 0xff, count * sizeof(node_id));
    memset(search->parent_edge, 0xff, count * sizeof(uint32_t));
    memset(search->cost, 0xff, count * sizeof(uint32_t));
    memset(search->first, 0xff, sizeof search->first);
    memset(search->last, 0xff, sizeof search->last);
    find_homes(search, scratch);
    offer(search, NODE_ROOT, 0, NODE_NONE, UINT32_MAX);
    for (uint32_t i = 0; i < reach->entry_count; i++)
        offer(search, reach->entries[i], COST_ENTRY, NODE_ROOT, UINT32_MAX);
}

/* Nodes without any path, which a complete list of entries does not leave, come last. */
static void add_unreached(struct search *search) {
    for (node_id n = 0; n < search->graph->node_count; n++)
        if (search->cost[n] == UINT32_MAX)
            search->order[search->settled_count++] = n;
}

void paths_compute(const struct graph *graph, const struct reach *reach, struct arena *arena, struct paths *out) {
    struct arena scratch = {0};
    struct search *search = arena_new(&scratch, struct search, 1);
    search->graph = graph;
    start_search(search, reach, arena, &scratch);
    for (uint32_t cost = 0; search->pending; cost++)
        while (search->first[cost % RING] != NODE_NONE)
            settle(search, search->first[cost % RING]);
    add_unreached(search);
    *out = (struct paths){search->parent, search->parent_edge, search->cost, search->order};
    arena_deinit(&scratch);
}

static struct edge_name name_of_edge(const struct graph *graph, node_id source, uint32_t edge, struct arena *arena) {
    struct arena scratch = {0};
    struct edge_name *names = arena_new(&scratch, struct edge_name, graph_out_degree(graph, source));
    graph->describe.edge_names(graph->describe.context, source, names, &scratch);
    struct edge_name name = names[edge - graph->out_begin[source]];
    if (name.text.length)
        name.text.data = arena_copy_text(arena, name.text.data, name.text.length);
    arena_deinit(&scratch);
    return name;
}

enum { LARGE_NODE = 64 }; /* edges; fewer are named anew each time */

static struct edge_name kept_name(const struct graph *graph, node_id source, uint32_t edge, struct path_names *names) {
    uint32_t known = map_find(&names->of, source);
    if (known == MAP_ABSENT) {
        struct edge_name *made = arena_new(&names->arena, struct edge_name, graph_out_degree(graph, source));
        graph->describe.edge_names(graph->describe.context, source, made, &names->arena);
        known = (uint32_t)names->lists.count;
        *vector_push(&names->lists, struct edge_name *) = made;
        map_set(&names->of, source, known);
    }
    return vector_items(&names->lists, struct edge_name *)[known][edge - graph->out_begin[source]];
}

void path_names_deinit(struct path_names *names) {
    arena_deinit(&names->arena);
    map_deinit(&names->of);
    vector_deinit(&names->lists);
    *names = (struct path_names){0};
}

size_t paths_steps_of_many(const struct graph *graph, const struct paths *paths, node_id node, struct path_names *names,
                           struct arena *arena, struct path_step **out) {
    size_t count = 0;
    for (node_id n = node; paths->parent[n] != NODE_NONE; n = paths->parent[n])
        count++;
    struct path_step *steps = arena_new(arena, struct path_step, count);
    node_id n = node;
    for (size_t i = count; i-- > 0; n = paths->parent[n]) {
        uint32_t edge = paths->parent_edge[n];
        node_id parent = paths->parent[n];
        steps[i] = (struct path_step){.node = n, .kind = EDGE_SLOT, .name.index = -1};
        if (edge == UINT32_MAX)
            continue;
        steps[i].kind = (enum edge_kind)graph->out_kind[edge];
        bool keeps = names && graph_out_degree(graph, parent) >= LARGE_NODE;
        steps[i].name = keeps ? kept_name(graph, parent, edge, names) : name_of_edge(graph, parent, edge, arena);
    }
    *out = steps;
    return count;
}

size_t paths_steps(const struct graph *graph, const struct paths *paths, node_id node, struct arena *arena,
                   struct path_step **out) {
    return paths_steps_of_many(graph, paths, node, NULL, arena, out);
}
