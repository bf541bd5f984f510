/* One finding per cause, most important first. */
#include "diagnosis/merge.h"

#include <stdlib.h>

/* What others hold too does not go away with the holder, but says no less that it grows: it counts for a
 * quarter. */
static const double shared_weight = 0.25;

uint64_t suspect_bytes(const struct candidate *candidate) {
    const struct path_tree *tree = candidate->comparison->tree;
    uint64_t bytes = 0;
    switch (candidate->region.extent) {
    case EXTENT_BELOW:
    case EXTENT_WITH: return tree->nodes[candidate->region.node].subtree_bytes;
    case EXTENT_MODULES:
    case EXTENT_GARBAGE: break;
    }
    for (uint32_t i = 1; i < tree->count; i++)
        if (tree->nodes[i].parent == 0 &&
            (candidate->region.extent == EXTENT_MODULES ? tree->nodes[i].kind == EDGE_MODULE
                                                        : tree->nodes[i].reach == REACH_GARBAGE))
            bytes += tree->nodes[i].subtree_bytes;
    return bytes;
}

double suspect_exclusive_share(const struct candidate *candidate) {
    const struct dominators *dominators = candidate->evidence->dominators;
    if (!dominators || candidate->holder == NODE_NONE || candidate->region.extent != EXTENT_BELOW ||
        !candidate->alone)
        return 1;
    return comparison_share((int64_t)dominators->retained[candidate->holder],
                            (int64_t)suspect_bytes(candidate));
}

static int compare_suspects(const void *left, const void *right) {
    const struct suspect *a = left, *b = right;
    if (a->score != b->score)
        return a->score < b->score ? 1 : -1;
    return strcmp(a->candidate.path, b->candidate.path);
}

/* As many new items, give or take what came between two looks; or twice as many, as a table with a list
 * beside it. */
static bool in_step(int64_t a, int64_t b) {
    int64_t slack = a / 20 > 2 ? a / 20 : 2;
    return a >= 8 &&
           (llabs(a - b) <= slack || llabs(2 * a - b) <= 2 * slack || llabs(a - 2 * b) <= 2 * slack);
}

/* The object that has the container: the step above it that is not just a namespace. */
static node_id owner_of(const struct candidate *candidate) {
    size_t last = candidate->step_count;
    while (last >= 2 && candidate->steps[last - 2].kind == EDGE_NAMESPACE)
        last--;
    return last >= 2 ? candidate->steps[last - 2].node : NODE_NONE;
}

static bool share_owner(const struct candidate *a, const struct candidate *b) {
    node_id owner = owner_of(a);
    return owner != NODE_NONE && owner == owner_of(b) && a->steps[0].kind == b->steps[0].kind &&
           graph_type_of(a->graph, owner)->role != ROLE_MODULE;
}

/* The weaker one is bookkeeping for the stronger: a weak set beside the list, an index beside the table. */
static bool follows(const struct suspect *weak, const struct suspect *strong) {
    /* A thread that runs and its Thread object come and go one after the other, not at once. */
    if (weak->rule == &rule_thread && strong->rule == &rule_thread &&
        (weak->candidate.region.extent == EXTENT_WITH || strong->candidate.region.extent == EXTENT_WITH))
        return true;
    if (!in_step(strong->candidate.makeup.new_items, weak->candidate.makeup.new_items))
        return false;
    return share_owner(&weak->candidate, &strong->candidate) ||
           weak->candidate.trend.slope * 4 <= strong->candidate.trend.slope;
}

static void add_follower(struct suspect *strong, const struct suspect *weak) {
    if (strong->follower_count < FOLLOWERS_MOST)
        strong->followers[strong->follower_count++] = weak->candidate.path;
}

size_t suspects_rank(struct suspect *suspects, size_t count) {
    for (size_t i = 0; i < count; i++) {
        double exclusive = suspect_exclusive_share(&suspects[i].candidate);
        suspects[i].score =
            suspects[i].candidate.trend.slope * (shared_weight + (1 - shared_weight) * exclusive);
    }
    if (count)
        qsort(suspects, count, sizeof *suspects, compare_suspects);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        size_t strong = 0;
        while (strong < kept && !follows(&suspects[i], &suspects[strong]))
            strong++;
        if (strong < kept)
            add_follower(&suspects[strong], &suspects[i]);
        else if (kept++ != i)
            suspects[kept - 1] = suspects[i];
    }
    return kept;
}
