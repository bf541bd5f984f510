/* Holes that grow, and who keeps them. */
#include "diagnosis/holes.h"

#include <stdlib.h>

/* Keepers that have come: fewer may be those of one time that needed more memory than the time before, as the last results
 * of a growing number of threads, each with an arena of its own. */
enum { TYPES_MOST = 8, LEAST_MORE_KEEPERS = 32 };

static const double good_part = 0.4; /* of all holes: what a program starts with keeps some of them too */

static uint64_t whole_of(const struct observation *observation) {
    return observation->use.pools + observation->use.malloc_used + observation->use.malloc_free;
}

static uint64_t free_of(const struct observation *observation) {
    return observation->use.pools - observation->use.pools_used + observation->use.malloc_free;
}

static struct series_trend trend_of_whole(const struct observation *observations, size_t count, uint64_t least) {
    struct arena scratch = {0};
    double *bytes = arena_new(&scratch, double, count);
    for (size_t i = 0; i < count; i++)
        bytes[i] = (double)whole_of(&observations[i]);
    struct series_trend trend;
    growth_judge(observations, count, bytes, (double)least, &trend);
    arena_deinit(&scratch);
    return trend;
}

static bool find_growth(const struct observation *observations, size_t count, uint64_t least, struct series_trend *out) {
    if (!count || !whole_of(&observations[0]))
        return false;
    const struct observation *first = &observations[0], *last = &observations[count - 1];
    if (whole_of(last) < whole_of(first) + least ||
        free_of(last) < free_of(first) + (whole_of(last) - whole_of(first)) / 2)
        return false;
    *out = trend_of_whole(observations, count, least);
    return out->verdict == SERIES_GROWS;
}

bool holes_grow(const struct observation *observations, size_t count, uint64_t least) {
    struct series_trend trend;
    return find_growth(observations, count, least, &trend);
}

/* The deepest node that stands for one object, on the way down along the heaviest children. */
static uint32_t find_keeper(const struct path_tree *tree, const uint64_t *below, uint64_t least) {
    uint32_t at = 0;
    for (bool moved = true; moved;) {
        uint32_t best = at;
        for (uint32_t i = at + 1; i < tree->count; i++)
            if (tree->nodes[i].parent == at && (best == at || below[i] > below[best]))
                best = i;
        moved = best != at && tree->nodes[best].single && below[best] >= least && below[best] >= below[at] / 2;
        at = moved ? best : at;
    }
    return at;
}

static bool is_below(const struct path_tree *tree, uint32_t node, uint32_t above) {
    while (node != UINT32_MAX && node > above)
        node = tree->nodes[node].parent;
    return node == above;
}

static int by_bytes(const void *left, const void *right) {
    const struct growth_type *a = left, *b = right;
    return (a->bytes < b->bytes) - (a->bytes > b->bytes);
}

/* The types of the objects between the holes, with the holes that they keep. */
static void take_types(const struct path_tree *tree, const struct hole *holes, uint32_t keeper, struct arena *arena,
                       struct growth_makeup *out) {
    struct growth_type *sums = arena_new(arena, struct growth_type, tree->type_count + 1);
    for (uint32_t i = 0; i < tree->type_count; i++)
        sums[i] = (struct growth_type){tree->types[i].name, tree->types[i].module, 0, 0};
    for (uint32_t i = keeper; i < tree->count; i++)
        if (holes[i].bytes && is_below(tree, i, keeper)) {
            sums[tree->nodes[i].type].bytes += holes[i].bytes;
            sums[tree->nodes[i].type].count += holes[i].objects;
        }
    qsort(sums, tree->type_count, sizeof *sums, by_bytes);
    out->types = sums;
    out->type_count = 0;
    while (out->type_count < TYPES_MOST && out->type_count < tree->type_count && sums[out->type_count].bytes)
        out->type_count++;
}

bool candidate_from_holes(const struct comparison *comparison, uint64_t least, struct arena *arena, struct candidate *out) {
    const struct evidence *evidence = comparison->evidence;
    const struct path_tree *tree = comparison->tree;
    size_t count = evidence->observation_count;
    struct series_trend trend;
    if (!evidence->holes || !tree->count || !find_growth(evidence->observations, count, least, &trend))
        return false;
    uint64_t *below = arena_new(arena, uint64_t, tree->count), all = 0;
    for (uint32_t i = tree->count; i-- > 0;) {
        below[i] += evidence->holes[i].bytes;
        all += evidence->holes[i].bytes;
        if (tree->nodes[i].parent < i)
            below[tree->nodes[i].parent] += below[i];
    }
    uint32_t keeper = find_keeper(tree, below, (uint64_t)(good_part * (double)all));
    if (keeper == 0 || below[keeper] < least || comparison->below_objects[keeper] < LEAST_MORE_KEEPERS)
        return false;
    const struct observation *first = evidence->observations, *last = &evidence->observations[count - 1];
    struct growth_holder held = {.node = keeper, .example = tree->nodes[keeper].example, .child = UINT32_MAX};
    candidate_from_holder(comparison, &held, arena, out);
    out->source = CANDIDATE_HOLES;
    out->trend = trend;
    out->grown_bytes = free_of(last) - free_of(first);
    out->kept_bytes = below[keeper];
    take_types(tree, evidence->holes, keeper, arena, &out->makeup);
    return true;
}
