/* What capture and its words share: the model behind a captured graph and the way from node to address. */
#ifndef CAULK_GRAPH_CAPTURED_H
#define CAULK_GRAPH_CAPTURED_H

#include "cpython/roots.h"
#include "graph/heap_file.h"

/* Synthetic types come first in the graph's type table; type models follow in their order. */
enum captured_type {
    CAPTURED_TYPE_ROOT,
    CAPTURED_TYPE_THREAD,
    CAPTURED_TYPE_ACTIVATION,
    CAPTURED_TYPE_TABLE,
    CAPTURED_TYPE_STATIC,
    CAPTURED_TYPE_UNREADABLE,
    CAPTURED_TYPE_COUNT,
};

struct captured_holder {
    enum holder_kind kind;
    int parent;
    node_id node; /* NODE_ROOT for HOLDER_MODULES */
    struct span name;
    int64_t bound; /* most references that it will ever have; 0: unknown */
};

/* One reference of a holder, in the order of discovery. */
struct captured_reference {
    int holder;
    node_id target_holder; /* another holder's node, or NODE_NONE */
    uint32_t granule;      /* of the object, if it is one */
    enum edge_kind kind;
    struct reference_label label;
};

/* A set of 8-byte granules of the image with rank: which offsets are objects, and which number each has. */
struct granule_set {
    uint64_t *bits;
    uint32_t *rank; /* set granules before each word; made by granule_set_freeze */
    uint64_t words;
};

static inline bool granule_set_has(const struct granule_set *set, uint32_t granule) {
    return set->bits[granule >> 6] >> (granule & 63) & 1;
}
static inline uint32_t granule_set_rank(const struct granule_set *set, uint32_t granule) {
    uint64_t before = set->bits[granule >> 6] & ((1ull << (granule & 63)) - 1);
    return set->rank[granule >> 6] + (uint32_t)__builtin_popcountll(before);
}

/* Makes the ranks, once no granule is added any more. */
void granule_set_freeze(struct granule_set *set, struct arena *arena);

/* Tells every object in a block of pymalloc that none of `objects` covers: what untracked objects are that only
 * native code refers to, or nothing any more. The set may gain what is told while it is told. */
typedef void (*captured_block_object)(void *context, remote_address object, uint32_t granule);
void captured_find_in_blocks(struct model *model, const struct granule_set *objects, captured_block_object found,
                             void *context);

/* Sorts granules by their place in the image. O(count). */
void granules_sort(uint32_t *granules, size_t count, struct arena *scratch);

/* Owner of a captured heap; the context of its describe words. */
struct captured {
    struct heap heap; /* first: freeing it frees all */
    struct model *model;
    struct granule_set objects;
    const struct captured_holder **holder_of;           /* synthetic node -> its holder; NULL for the root */
    const struct captured_reference *holder_references; /* grouped by synthetic node */
    const uint32_t *holder_begin;                       /* synthetic node -> first of its references */
    struct arena words;                                 /* lives as long as the heap */
};

/* Fills graph->types from the type models, and the describe words. */
void captured_describe(struct captured *captured);

/* Whether a module, class or function is the user's own code: decided by the file it comes from. */
enum code_origin { ORIGIN_NONE, ORIGIN_USER, ORIGIN_LIBRARY };
enum code_origin captured_origin_of_file(struct span file);

#endif
