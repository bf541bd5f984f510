/* A heap as a graph: frozen arrays, nothing of CPython in it.
 *
 * Nodes 0 .. synthetic_count-1 are synthetic: they stand for what holds objects without being one. Node 0 is
 * the *root*, from which everything live is reached. The other nodes are objects in the order of their
 * addresses. Edges are strong references only. Everything is immutable once built; arrays are indexed by
 * node_id, edges of a node lie together and in the order in which capture found them.
 *
 * Words: *out-edge*, *in-edge*; *shallow size* (bytes of the object itself, with what it owns outside of
 * the heap of objects); *type* (index into `types`). */
#ifndef CAULK_GRAPH_GRAPH_H
#define CAULK_GRAPH_GRAPH_H

#include "base/arena.h"
#include "base/span.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint32_t node_id;
#define NODE_NONE UINT32_MAX
#define NODE_ROOT 0u

/* What an edge means; the name ("cart", "buf") is on demand. */
enum edge_kind {
    EDGE_SLOT,       /* a named field of the C structure: __closure__, __func__, tb_next; unnamed if unknown */
    EDGE_TYPE,       /* to the object's type */
    EDGE_ATTRIBUTE,  /* an instance attribute, by inline value or __slots__ */
    EDGE_NAMESPACE,  /* to the dict that is the __dict__ of a module, type or instance; left out of paths */
    EDGE_KEY,        /* a dict's value, named by its key if that is text or a small number */
    EDGE_KEY_OBJECT, /* a dict's key itself */
    EDGE_INDEX,      /* an item of a list, tuple, set, deque */
    EDGE_CELL,       /* what a closure cell holds */
    EDGE_LOCAL,      /* a local variable or temporary of a frame */
    EDGE_GLOBALS,    /* a function's or frame's globals and builtins */
    EDGE_BASE,       /* a type's base, mro or subclass */
    EDGE_MODULE,     /* root to a module, named by the module */
    EDGE_THREAD,     /* root to a thread */
    EDGE_FRAME,      /* a thread to one of its running frames */
    EDGE_INTERPRETER,/* root to interpreter-wide tables: interned strings, atexit, codecs ... */
    EDGE_STATIC,     /* root to C data of a library */
    EDGE_IMMORTAL,   /* root to a static type or immortal object */
    EDGE_KIND_COUNT,
};

/* What a type or node is to a reader; decides how paths are written. */
enum node_role {
    ROLE_OBJECT,
    ROLE_MODULE,
    ROLE_TYPE,
    ROLE_FUNCTION,
    ROLE_METHOD,
    ROLE_CODE,
    ROLE_FRAME,     /* also generators and coroutines: something that has locals */
    ROLE_TRACEBACK,
    ROLE_DICT,
    ROLE_SEQUENCE,  /* list, tuple, set, frozenset, deque */
    ROLE_CACHE,     /* functools' lru_cache wrapper */
    ROLE_WEAKREF,
    ROLE_CELL,
    ROLE_TEXT,      /* str, bytes, int, float: no out-edge that matters */
    ROLE_THREAD,    /* synthetic */
    ROLE_ACTIVATION,/* synthetic: a running frame */
    ROLE_TABLE,     /* synthetic: an interpreter-wide table or the static data of a library */
    ROLE_ROOT,      /* synthetic: node 0 */
};

enum type_flags {
    TYPE_USER_CODE = 1 << 0,      /* defined in a module that is neither stdlib nor site-packages */
    TYPE_LIBRARY_CODE = 1 << 1,   /* a class written in Python in stdlib or site-packages */
    TYPE_EXCEPTION = 1 << 2,
    TYPE_COLLECTED = 1 << 3,      /* takes part in garbage collection */
    TYPE_FOREIGN = 1 << 4,        /* a C type without a known layout: its words were scanned */
};

struct graph_type {
    struct span name;   /* "Session", "OrderedDict" */
    struct span module; /* "shop.sessions", "builtins" */
    uint32_t role;      /* enum node_role of its instances */
    uint32_t flags;     /* enum type_flags */
    uint64_t address;   /* 0 for synthetic types */
};

enum node_flags {
    NODE_COLLECTED = 1 << 0,  /* is in a list of the collector */
    NODE_PERMANENT = 1 << 1,  /* ... in the permanent generation (gc.freeze) */
    NODE_IMMORTAL = 1 << 2,   /* its reference count says nothing */
    NODE_FAULT = 1 << 3,      /* unreadable or absurd: has no edges */
    NODE_USER_CODE = 1 << 4,  /* a module, function or class of the user's own */
    NODE_STATIC = 1 << 5,     /* lies in a library's data */
    NODE_LIBRARY_CODE = 1 << 6, /* a module, function or class of stdlib or site-packages */
};

struct edge_name {
    struct span text; /* length 0 if it has none */
    int64_t index;    /* of an EDGE_INDEX, -1 otherwise */
};

/* Facts of one object that a diagnosis may want. */
struct node_facts {
    int64_t length;     /* items in a container, bytes in a buffer; -1 unknown */
    int64_t bound;      /* most items it will ever hold (deque maxlen, lru_cache maxsize); -1 none, -2 unknown */
    struct span file;   /* source of a function, code, frame */
    int32_t line;       /* 0 unknown */
    uint32_t refcount;
};

/* What code does to an object that it reaches by names, as far as its bytecode tells. */
enum code_how {
    CODE_ITEM,      /* x[...] = value */
    CODE_METHOD,    /* x.method(...) */
    CODE_ARGUMENT,  /* method(..., x, ...) */
    CODE_CALL,      /* x(...) */
    CODE_ATTRIBUTE, /* x.method = value */
    CODE_INPLACE,   /* x += value */
};

enum code_root { CODE_GLOBAL, CODE_LOCAL, CODE_FREE };

enum { CODE_PARTS_MOST = 8 };

/* "self.carts[...].lines" has the parts "self", "carts", "", "lines": the empty one is any item. */
struct code_write {
    int32_t line;
    enum code_how how;
    enum code_root root; /* of the first part */
    uint32_t part_count;
    struct span parts[CODE_PARTS_MOST];
    struct span method;
};

/* Words for a graph, made on demand from wherever it came from. */
struct graph_describe {
    void *context;
    /* Names of all out-edges of `source`, in the order of the graph; `names` has room for them. */
    void (*edge_names)(void *context, node_id source, struct edge_name *names, struct arena *arena);
    /* What a node is called, empty if it has no name: module "shop.sessions", class "shop.Session", function
     * "shop.views.checkout", thread "worker-3", activation "checkout", table "atexit callbacks". */
    struct span (*node_name)(void *context, node_id node, struct arena *arena);
    void (*node_facts)(void *context, node_id node, struct node_facts *facts, struct arena *arena);
    /* What the code object `node` does to expressions that have the name `wanted` among their parts; with an empty
     * name to local and captured variables. Returns how many; NULL in a graph that came from a file. */
    size_t (*code_writes)(void *context, node_id node, struct span wanted, struct code_write **out, struct arena *arena);
};

struct graph {
    uint32_t node_count;
    uint32_t synthetic_count;
    uint64_t edge_count;
    const uint64_t *addresses;   /* node -> address in the target, 0 for synthetic ones */
    const uint64_t *sizes;       /* node -> shallow size in bytes, GC header included */
    const uint32_t *type_of;     /* node -> index into types */
    const uint32_t *refcounts;   /* node -> ob_refcnt as read (saturated) */
    const uint8_t *flags;        /* node -> enum node_flags */
    const uint32_t *out_begin;   /* node_count + 1 entries */
    const node_id *out_target;
    const uint8_t *out_kind;     /* enum edge_kind */
    const uint32_t *in_begin;    /* node_count + 1 entries */
    const node_id *in_source;
    const struct graph_type *types;
    uint32_t type_count;
    uint64_t faults;             /* objects that could not be read */
    struct graph_describe describe;
};

static inline uint32_t graph_out_degree(const struct graph *graph, node_id node) {
    return graph->out_begin[node + 1] - graph->out_begin[node];
}
static inline uint32_t graph_in_degree(const struct graph *graph, node_id node) {
    return graph->in_begin[node + 1] - graph->in_begin[node];
}
static inline const struct graph_type *graph_type_of(const struct graph *graph, node_id node) {
    return &graph->types[graph->type_of[node]];
}

/* The node at `address`, or NODE_NONE. O(log nodes). */
node_id graph_find_address(const struct graph *graph, uint64_t address);

/* Fills in_begin and in_source from the out-edges; in-edges come out sorted by source. O(nodes + edges). */
void graph_build_in_edges(struct graph *graph, struct arena *arena);

/* Checks every invariant above; NULL, or the first one that is broken, in words. For tests, debug builds and
 * files of unknown origin. O(nodes + edges). */
const char *graph_check(const struct graph *graph);

#endif
