/* Inside of path trees: how a path becomes a key that is the same in every snapshot. */
#ifndef CAULK_ANALYSIS_PATH_TREE_STEPS_H
#define CAULK_ANALYSIS_PATH_TREE_STEPS_H

#include "analysis/reach.h"

#define PATH_ROOT_KEY UINT64_C(0x6361756c6b)

static inline uint64_t path_mix(uint64_t a, uint64_t b) {
    uint64_t mixed = (a ^ (b + UINT64_C(0x9e3779b97f4a7c15) + (a << 6) + (a >> 2))) * UINT64_C(0xbf58476d1ce4e5b9);
    return mixed ^ (mixed >> 31);
}

static inline uint64_t path_type_key(struct span module, struct span name) {
    return path_mix(span_hash(module, 1), span_hash(name, 2));
}

static inline uint64_t path_step_hash(enum edge_kind kind, bool folded, struct span name, uint64_t type_key,
                                      uint32_t reach_class) {
    uint64_t hash = path_mix(type_key, (uint64_t)kind << 8 | (uint64_t)folded << 4 | reach_class);
    return path_mix(hash, span_hash(name, 3));
}

static inline uint64_t path_key(uint64_t parent_key, uint64_t step_hash) {
    return path_mix(parent_key, step_hash);
}

#endif
