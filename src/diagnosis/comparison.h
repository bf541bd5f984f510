/* The first and the last snapshot of a watch, path node by path node, and how the growth below one of them
 * divides up by what it consists of. */
#ifndef CAULK_DIAGNOSIS_COMPARISON_H
#define CAULK_DIAGNOSIS_COMPARISON_H

#include "diagnosis/diagnosis.h"
#include "diagnosis/things.h"

struct comparison {
    const struct evidence *evidence;
    const struct path_tree *tree;               /* of the last snapshot */
    const int64_t *objects, *bytes;             /* path node -> growth of the node itself */
    const int64_t *below_objects, *below_bytes; /* ... with everything below it */
    const thing_set *things;                    /* path node -> what its objects are */
    const bool *apart;                          /* path node -> has an entry in growth of its own */
};

void comparison_make(const struct evidence *evidence, struct arena *arena, struct comparison *out);

/* Path nodes whose growth is looked at. What growth keeps apart is not in it. */
enum growth_extent {
    EXTENT_BELOW,   /* everything below `node` */
    EXTENT_WITH,    /* `node` too: a kind of root that multiplies */
    EXTENT_MODULES, /* all modules, which hang on the root */
    EXTENT_GARBAGE, /* all that waits for the collector */
};

struct growth_region {
    enum growth_extent extent;
    uint32_t node;
};

struct item_node {
    uint32_t node;
    int64_t objects, below_bytes;
};

enum { GROWTH_ITEMS_MOST = 8 };

/* What the growth of a region is made of. An *item* is a path node that multiplies and hangs below one that
 * does not: what is put into the container. */
struct growth_makeup {
    int64_t bytes, objects;
    int64_t at_or_below[THING_COUNT];  /* grown bytes of such things and of what hangs below them */
    int64_t below[THING_COUNT];        /* grown bytes of what hangs below such things */
    int64_t item_bytes[THING_COUNT];   /* grown bytes of items that are such things, with what hangs below */
    int64_t item_objects[THING_COUNT]; /* how many more such items */
    int64_t new_items;                 /* of the item that multiplied most */
    struct item_node items[GROWTH_ITEMS_MOST]; /* most bytes first */
    size_t item_count;
    struct growth_type *types; /* most grown bytes first; at most 8 */
    size_t type_count;
};

void comparison_makeup(const struct comparison *comparison, struct growth_region region, struct arena *arena,
                       struct growth_makeup *out);

/* Which path nodes a region has: `inside` has room for all of the tree. */
void comparison_region(const struct comparison *comparison, struct growth_region region, bool *inside);

/* Part of the whole, 0 to 1. */
static inline double comparison_share(int64_t part, int64_t whole) {
    return whole <= 0 || part <= 0 ? 0 : part >= whole ? 1 : (double)part / (double)whole;
}

#endif
