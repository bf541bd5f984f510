/* *Raw memory*: blocks in use that are no Python object, and who holds them.
 *
 * A block is held by whoever a pointer leads to it from, directly or through other blocks: by an object, by the data of a
 * library, by other memory (stacks, mappings). Lost is what no pointer leads to. A word that only looks like a
 * pointer holds too: single blocks may be held wrongly, many are not. */
#ifndef CAULK_GRAPH_RAW_H
#define CAULK_GRAPH_RAW_H

#include "graph/graph.h"

enum raw_kind { RAW_LOST, RAW_OBJECT, RAW_LIBRARY, RAW_OTHER, RAW_KIND_COUNT };

struct raw_holder {
    enum raw_kind kind;
    node_id node;        /* of RAW_OBJECT: of a C type that caulk does not know, whose size does not tell what it has */
    struct span library; /* of RAW_LIBRARY: "_sqlite3.so" */
    uint64_t blocks, bytes;
};

struct raw_holders {
    struct raw_holder *list;
    size_t count;
};

/* What the allocators have: bytes of blocks that are in use, and of the memory that these lie in. */
struct allocator_use {
    uint64_t malloc_used, malloc_free;
    uint64_t pools, pools_used;
    uint64_t raw; /* in use by what is no object, about: object sizes are not those of their blocks */
};

#endif
