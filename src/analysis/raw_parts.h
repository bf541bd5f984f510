/* Raw memory folded by holder, so that it can be compared between snapshots: by library, by path of the object. */
#ifndef CAULK_ANALYSIS_RAW_PARTS_H
#define CAULK_ANALYSIS_RAW_PARTS_H

#include "analysis/path_tree.h"
#include "graph/raw.h"

struct raw_part {
    uint64_t key; /* the same in every snapshot */
    enum raw_kind kind;
    node_id example;     /* of RAW_OBJECT: the one that holds most, in this snapshot's graph; else NODE_NONE */
    uint32_t path_node;  /* of RAW_OBJECT in this snapshot's tree, UINT32_MAX if it has none */
    struct span library; /* of RAW_LIBRARY; copied */
    uint64_t blocks, bytes;
    uint64_t most; /* bytes that `example` holds */
};

struct raw_parts {
    bool known; /* false: nobody has looked */
    struct raw_part *list;
    size_t count;
};

/* `path_node_of`: node -> path node of `tree`. O(holders). */
void raw_parts_fold(const struct raw_holders *holders, const uint32_t *path_node_of, const struct path_tree *tree,
                    struct arena *arena, struct raw_parts *out);

/* NULL if there is no such part. */
const struct raw_part *raw_parts_find(const struct raw_parts *parts, uint64_t key);

#endif
