/* A heap folded by named path: the shape that can be compared between snapshots.
 *
 * All objects that are reached by the same named path from a root become one path node. Positions in
 * sequences and keys of large or repeated dicts are folded to "[]"; a step that repeats its ancestors' step
 * (a linked list, a tree) is folded into the ancestor. Addresses play no part: they are reused.
 *
 * Names are kept where they identify: attributes always; keys only as long as no step above was folded and the
 * dict has at most PATH_TREE_NAMED_KEYS entries. */
#ifndef CAULK_ANALYSIS_PATH_TREE_H
#define CAULK_ANALYSIS_PATH_TREE_H

#include "analysis/paths.h"

enum { PATH_TREE_NAMED_KEYS = 64, PATH_TREE_NAMED_CHILDREN = 512, PATH_TREE_FOLD_DEPTH = 6 };

struct path_node {
    uint32_t parent;        /* index in the tree; UINT32_MAX for the root */
    uint64_t key;           /* hash of the path: the same in every snapshot */
    uint32_t type;          /* index into path_tree.types */
    uint8_t kind;           /* enum edge_kind of the step */
    uint8_t reach;          /* enum reach_class */
    bool single;            /* no step above was folded: stands for at most one object */
    uint64_t address;       /* of its object if it has just one: tells it again when its best path changes; else 0 */
    node_id example;        /* one of its objects, the one with the most children, in this snapshot's graph */
    uint64_t objects, bytes;                 /* of the node itself, shallow */
    uint64_t subtree_objects, subtree_bytes; /* with everything below it in the tree */
};

struct path_tree_type {
    struct span name, module;
    uint32_t role, flags;
};

struct path_tree {
    struct path_node *nodes; /* each after its parent; 0 is the root */
    uint32_t count;
    struct path_tree_type *types; /* text copied: outlives the graph */
    uint32_t type_count;
    /* node -> path node, for the graph that it was made of; NULL if not asked for. In an arena of its own choice. */
    uint32_t *node_of;
};

/* `nodes_arena`: where node_of is made; NULL if nobody wants it. O(nodes) plus naming; about 64 bytes per path node. */
void path_tree_build(const struct graph *graph, const struct reach *reach, const struct paths *paths,
                     struct arena *nodes_arena, struct arena *arena, struct path_tree *out);

/* Indexes for map_find: path nodes by key, and those of one object by address. */
struct map;
void path_tree_index(const struct path_tree *tree, struct map *by_key, struct map *by_address);

#endif
