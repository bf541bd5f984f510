/* Which types of CPython and its standard library matter to a diagnosis. */
#include "diagnosis/things.h"

enum { BASES_MOST = 64, PATTERN_REST = '*' };

struct known_type {
    const char *module, *name; /* a name that ends with "*": begins with */
    enum thing thing;
};

static const struct known_type known_types[] = {
    {"functools", "partial", THING_METHOD},
    {"builtins", "method-wrapper", THING_METHOD},
    {"weakref", "finalize", THING_FINALIZER},
    {"weakref", "_Info", THING_FINALIZER},
    {"weakref", "finalize._Info", THING_FINALIZER},
    {"logging", "Handler", THING_HANDLER},
    {"logging", "Filter", THING_HANDLER},
    {"_asyncio", "Task", THING_TASK},
    {"_asyncio", "Future", THING_TASK},
    {"asyncio.tasks", "Task", THING_TASK},
    {"asyncio.futures", "Future", THING_TASK},
    {"asyncio.events", "Handle", THING_TASK},
    {"asyncio.events", "TimerHandle", THING_TASK},
    {"concurrent.futures._base", "Future", THING_TASK},
    {"concurrent.futures.thread", "_WorkItem", THING_TASK},
    {"builtins", "Context", THING_CONTEXT},
    {"_contextvars", "Context", THING_CONTEXT},
    {"builtins", "ContextVar", THING_CONTEXT},
    {"_contextvars", "ContextVar", THING_CONTEXT},
    {"builtins", "hamt*", THING_CONTEXT},
    {"threading", "Thread", THING_THREAD},
    {"builtins", "memoryview", THING_VIEW},
    {"builtins", "managedbuffer", THING_VIEW},
    {"numpy", "ndarray", THING_VIEW},
    {"re", "Match", THING_VIEW},
    {"_sre", "SRE_Match", THING_VIEW},
    {"builtins", "dict_keys", THING_VIEW},
    {"builtins", "dict_values", THING_VIEW},
    {"builtins", "dict_items", THING_VIEW},
    {"queue", "Queue", THING_QUEUE},
    {"_queue", "SimpleQueue", THING_QUEUE},
    {"queue", "_PySimpleQueue", THING_QUEUE},
    {"multiprocessing.queues", "Queue", THING_QUEUE},
    {"asyncio.queues", "Queue", THING_QUEUE},
};

static bool name_fits(const char *pattern, struct span name) {
    size_t length = strlen(pattern);
    if (pattern[length - 1] != PATTERN_REST)
        return span_is(name, pattern);
    return name.length >= length - 1 && memcmp(pattern, name.data, length - 1) == 0;
}

static thing_set things_of_name(struct span module, struct span name) {
    thing_set found = 0;
    for (size_t i = 0; i < sizeof known_types / sizeof *known_types; i++)
        if (span_is(module, known_types[i].module) && name_fits(known_types[i].name, name))
            found |= THING_BIT(known_types[i].thing);
    return found;
}

static thing_set things_of_role(uint32_t role) {
    switch (role) {
    case ROLE_FRAME:
    case ROLE_ACTIVATION: return THING_BIT(THING_FRAME);
    case ROLE_TRACEBACK: return THING_BIT(THING_TRACEBACK);
    case ROLE_FUNCTION: return THING_BIT(THING_FUNCTION);
    case ROLE_METHOD: return THING_BIT(THING_METHOD);
    case ROLE_CELL: return THING_BIT(THING_CELL);
    case ROLE_WEAKREF: return THING_BIT(THING_WEAKREF);
    case ROLE_THREAD: return THING_BIT(THING_THREAD);
    case ROLE_TYPE: return THING_BIT(THING_CLASS);
    default: return 0;
    }
}

/* A class by its full name, "threading.Thread". */
static thing_set things_of_full_name(struct span full) {
    size_t dot = full.length;
    while (dot > 0 && full.data[dot - 1] != '.')
        dot--;
    struct span module = dot ? (struct span){full.data, dot - 1} : SPAN("builtins");
    return things_of_name(module, (struct span){full.data + dot, full.length - dot});
}

struct class_walk {
    node_id classes[BASES_MOST];
    size_t count;
};

static void walk_add(struct class_walk *walk, node_id node) {
    for (size_t i = 0; i < walk->count; i++)
        if (walk->classes[i] == node)
            return;
    if (walk->count < BASES_MOST)
        walk->classes[walk->count++] = node;
}

/* tp_base is a class, tp_bases and tp_mro are tuples of classes; tp_subclasses is a dict of weak references.
 */
static void walk_add_bases(const struct graph *graph, struct class_walk *walk, node_id node) {
    for (uint32_t edge = graph->out_begin[node]; edge < graph->out_begin[node + 1]; edge++) {
        node_id target = graph->out_target[edge];
        uint32_t role = graph_type_of(graph, target)->role;
        if (graph->out_kind[edge] != EDGE_BASE)
            continue;
        if (role == ROLE_TYPE)
            walk_add(walk, target);
        for (uint32_t item = graph->out_begin[target];
             role == ROLE_SEQUENCE && item < graph->out_begin[target + 1]; item++)
            if (graph->out_kind[item] == EDGE_INDEX)
                walk_add(walk, graph->out_target[item]);
    }
}

/* The class of `node` and all that it derives from; a class of C without a node of its own is not among them.
 */
static void walk_classes(const struct graph *graph, node_id node, struct class_walk *walk) {
    walk->count = 0;
    uint64_t address = graph_type_of(graph, node)->address;
    node_id class = address ? graph_find_address(graph, address) : NODE_NONE;
    if (class == NODE_NONE)
        return;
    walk_add(walk, class);
    for (size_t i = 0; i < walk->count; i++)
        walk_add_bases(graph, walk, walk->classes[i]);
}

thing_set things_of_node(const struct graph *graph, node_id node) {
    const struct graph_type *type = graph_type_of(graph, node);
    thing_set found = things_of_role(type->role) | things_of_name(type->module, type->name);
    if (type->flags & TYPE_EXCEPTION)
        found |= THING_BIT(THING_TRACEBACK);
    struct class_walk walk;
    struct arena scratch = {0};
    walk_classes(graph, node, &walk);
    for (size_t i = 0; i < walk.count; i++)
        found |= things_of_full_name(
            graph->describe.node_name(graph->describe.context, walk.classes[i], &scratch));
    arena_deinit(&scratch);
    return found;
}

bool things_is_instance(const struct graph *graph, node_id node, struct span module, struct span name) {
    const struct graph_type *type = graph_type_of(graph, node);
    if (span_equal(type->module, module) && span_equal(type->name, name))
        return true;
    struct class_walk walk;
    struct arena scratch = {0};
    bool found = false;
    walk_classes(graph, node, &walk);
    for (size_t i = 0; i < walk.count && !found; i++) {
        struct span full = graph->describe.node_name(graph->describe.context, walk.classes[i], &scratch);
        found = full.length == module.length + 1 + name.length && full.data[module.length] == '.' &&
                memcmp(full.data, module.data, module.length) == 0 &&
                memcmp(full.data + module.length + 1, name.data, name.length) == 0;
    }
    arena_deinit(&scratch);
    return found;
}
