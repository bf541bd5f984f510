/* Growth that is no leak, and why. */
#include "diagnosis/excuse.h"

#include "diagnosis/amount.h"

#include <math.h>

enum {
    PLUMBING_DEPTH = 3,
    MOST_BEHIND_ONE = 16, /* objects that one C object hides: headers of a request, columns of a row */
};

/* Correlation of what nobody holds with the C objects among the garbage. Where the garbage was collected meanwhile, a leak
 * beside it has far less. */
static const double together = 0.98;

/* A limit that lets it grow larger than what an ordinary machine has for one process is none. */
static const double absurd_size = 16.0 * (1ull << 30);

/* Caches of the standard library that their own code keeps small; limits from Lib/re, Lib/_strptime.py,
 * Lib/urllib/parse.py. */
struct known_limit {
    const char *module, *name;
    int64_t bound;
};

static const struct known_limit known_limits[] = {
    {"re", "_cache", 512},
    {"re", "_cache2", 256},
    {"_strptime", "_regex_cache", 5},
    {"urllib.parse", "_parse_cache", 20},
};

static void add(struct excuses *excuses, enum not_leak_kind kind, const char *path, const char *title) {
    for (size_t i = 0; i < excuses->count; i++)
        if (strcmp(excuses->paths[i], path) == 0)
            return;
    if (excuses->count == EXCUSES_MOST)
        return;
    excuses->paths[excuses->count] = path;
    excuses->list[excuses->count++] = (struct not_leak){kind, title};
}

static int64_t known_bound(const struct candidate *candidate) {
    for (size_t i = 0; i < sizeof known_limits / sizeof *known_limits; i++)
        if (candidate_in_module(candidate, known_limits[i].module) &&
            candidate_is_named(candidate, known_limits[i].name))
            return known_limits[i].bound;
    return -1;
}

/* The holder's own limit, or that of the lru_cache whose dict it is. */
static struct node_facts facts_of_limit(const struct candidate *candidate, struct arena *arena) {
    struct node_facts facts = candidate->facts;
    const struct graph *graph = candidate->graph;
    for (size_t back = 2; facts.bound < 0 && back <= PLUMBING_DEPTH && back <= candidate->step_count;
         back++) {
        node_id above = candidate->steps[candidate->step_count - back].node;
        if (graph_type_of(graph, above)->role == ROLE_CACHE)
            graph->describe.node_facts(graph->describe.context, above, &facts, arena);
    }
    if (facts.bound < 0)
        facts.bound = known_bound(candidate);
    return facts;
}

bool excuse_bounded(struct excuses *excuses, const struct candidate *candidate) {
    if (candidate->source != CANDIDATE_HELD || candidate->holder == NODE_NONE)
        return false;
    struct node_facts facts = facts_of_limit(candidate, excuses->arena);
    if (facts.bound < 0)
        return false;
    int64_t length = candidate->facts.length > 0 ? candidate->facts.length : facts.length;
    double bytes = (double)candidate->comparison->tree->nodes[candidate->region.node].subtree_bytes;
    double full = length > 0 ? bytes / (double)length * (double)facts.bound : 0;
    if (full > absurd_size)
        return false;
    const char *bound = amount_count(excuses->arena, (uint64_t)facts.bound);
    add(excuses, NOT_LEAK_BOUNDED_CACHE, candidate->path,
        length > 0 && length < facts.bound
            ? arena_format(excuses->arena, "%s (bounded at %s; about %s when full)", candidate->path, bound,
                           amount_bytes(excuses->arena, full))
            : arena_format(excuses->arena, "%s (bounded at %s)", candidate->path, bound));
    return true;
}

/* Of one snapshot: C objects among the garbage, and objects that are what the candidate is. */
static void count_with_garbage(const struct path_tree *tree, uint64_t key, double *foreign, double *unheld) {
    *foreign = *unheld = 0;
    for (uint32_t i = 0; i < tree->count; i++) {
        const struct path_node *node = &tree->nodes[i];
        if (node->reach == REACH_GARBAGE && tree->types[node->type].flags & TYPE_FOREIGN)
            *foreign += (double)node->objects;
        if (node->key == key)
            *unheld = (double)node->objects;
    }
}

static double correlation(const double *x, const double *y, size_t count) {
    double mean_x = 0, mean_y = 0, xy = 0, xx = 0, yy = 0;
    for (size_t i = 0; i < count; i++) {
        mean_x += x[i] / (double)count;
        mean_y += y[i] / (double)count;
    }
    for (size_t i = 0; i < count; i++) {
        xy += (x[i] - mean_x) * (y[i] - mean_y);
        xx += (x[i] - mean_x) * (x[i] - mean_x);
        yy += (y[i] - mean_y) * (y[i] - mean_y);
    }
    return xx > 0 && yy > 0 ? xy / sqrt(xx * yy) : 0;
}

static bool goes_with_garbage(const struct candidate *candidate) {
    const struct evidence *evidence = candidate->evidence;
    uint64_t key = candidate->comparison->tree->nodes[candidate->region.node].key;
    struct arena scratch = {0};
    size_t count = evidence->observation_count;
    double *foreign = arena_new(&scratch, double, count), *unheld = arena_new(&scratch, double, count);
    for (size_t i = 0; i < count; i++)
        count_with_garbage(&evidence->observations[i].tree, key, &foreign[i], &unheld[i]);
    double grown = unheld[count - 1] - unheld[0];
    bool goes = grown <= MOST_BEHIND_ONE * (foreign[count - 1] - foreign[0]) &&
                correlation(foreign, unheld, count) >= together;
    arena_deinit(&scratch);
    return goes;
}

bool excuse_with_garbage(struct excuses *excuses, const struct candidate *candidate) {
    if (candidate->source != CANDIDATE_NATIVE || !goes_with_garbage(candidate))
        return false;
    uint64_t bytes = candidate->comparison->tree->nodes[candidate->region.node].subtree_bytes;
    add(excuses, NOT_LEAK_GC_SAWTOOTH, candidate->path,
        arena_format(excuses->arena, "%s that C objects among the garbage hold, as far as can be seen",
                     amount_bytes(excuses->arena, (double)bytes)));
    return true;
}

void excuse_settled(struct excuses *excuses, const struct candidate *candidate) {
    if (candidate->source == CANDIDATE_GARBAGE || excuse_bounded(excuses, candidate))
        return;
    const char *amount = amount_bytes(excuses->arena, (double)candidate->grown_bytes);
    if (candidate->trend.verdict == SERIES_LEVELS_OFF)
        add(excuses, NOT_LEAK_WARM_UP, candidate->path,
            arena_format(excuses->arena, "%s grew by %s and levels off", candidate->path, amount));
    else if (candidate->trend.verdict == SERIES_FALLS_BACK)
        add(excuses, NOT_LEAK_STEADY_CHURN, candidate->path,
            arena_format(excuses->arena, "%s rises and falls (by %s)", candidate->path, amount));
}

void excuse_garbage(struct excuses *excuses, const struct evidence *evidence, uint64_t least) {
    const struct observation *last = &evidence->observations[evidence->observation_count - 1];
    uint64_t most = 0;
    for (size_t i = 0; i < evidence->observation_count; i++)
        if (evidence->observations[i].garbage_bytes > most)
            most = evidence->observations[i].garbage_bytes;
    if (most < least)
        return;
    add(excuses, NOT_LEAK_GC_SAWTOOTH, "",
        arena_format(excuses->arena, "%s waiting for the garbage collector (%s at most)",
                     amount_bytes(excuses->arena, (double)last->garbage_bytes),
                     amount_bytes(excuses->arena, (double)most)));
}

void excuse_churn(struct excuses *excuses, const struct evidence *evidence) {
    const struct observation *first = &evidence->observations[0];
    const struct observation *last = &evidence->observations[evidence->observation_count - 1];
    uint64_t collections = last->collections[0] - first->collections[0];
    enum series_verdict verdict = evidence->growth->live.verdict;
    if (collections == 0 || (verdict != SERIES_FLAT && verdict != SERIES_FALLS_BACK))
        return;
    add(excuses, NOT_LEAK_STEADY_CHURN, "",
        arena_format(excuses->arena, "objects come and go, the live heap stays at %s",
                     amount_bytes(excuses->arena, (double)last->bytes)));
}
