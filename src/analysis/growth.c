/* Walks down from the root into every branch that grows without multiplying, as far as that explains the growth. */
#include "analysis/growth.h"

#include "analysis/growth_work.h"

#include <math.h>
#include <stdlib.h>

uint32_t growth_match(const struct growth_work *work, size_t index, uint32_t node) {
    if (index + 1 == work->count)
        return node;
    uint32_t match = map_find(&work->indexes[index], work->last->nodes[node].key);
    if (match != MAP_ABSENT || !work->last->nodes[node].address)
        return match;
    return map_find(&work->addresses[index], work->last->nodes[node].address);
}

static struct node_series new_series(struct growth_work *work) {
    double *values = arena_new(&work->scratch, double, 3 * work->count);
    return (struct node_series){values, values + work->count, values + 2 * work->count};
}

static struct node_series series_of(struct growth_work *work, uint32_t node) {
    struct node_series series = new_series(work);
    for (size_t i = 0; i < work->count; i++) {
        uint32_t match = growth_match(work, i, node);
        if (match == MAP_ABSENT)
            continue;
        const struct path_node *found = &work->observations[i].tree.nodes[match];
        series.own[i] = (double)found->objects;
        series.objects[i] = (double)found->subtree_objects;
        series.bytes[i] = (double)found->subtree_bytes;
    }
    return series;
}

static void add_series(struct growth_work *work, struct node_series *sum, const struct node_series *part,
                       double factor) {
    for (size_t i = 0; i < work->count; i++) {
        sum->objects[i] += factor * part->objects[i];
        sum->bytes[i] += factor * part->bytes[i];
    }
}

static double rise_of(const struct growth_work *work, const double *values) {
    return values[work->count - 1] - values[0];
}

static struct series_trend judge(const struct growth_work *work, const double *values, double noise) {
    struct series_trend trend;
    series_judge(&(struct series){work->time, values, work->count}, noise, &trend);
    struct series_trend steady;
    series_judge(&(struct series){work->effort, values, work->count}, noise, &steady);
    trend.verdict = steady.verdict;
    /* What slows down as its work does is no warm-up: a server with fewer requests waits for them less often. */
    if (steady.verdict == SERIES_LEVELS_OFF && work->rests) {
        series_judge(&(struct series){work->rests, values, work->count}, noise, &steady);
        if (steady.verdict == SERIES_GROWS)
            trend.verdict = SERIES_GROWS;
    }
    return trend;
}

/* Whether a node grows from within. It must have been there from the first third on and have grown since (a path
 * that came up lately may have taken over from another one), and more of its kind must not be the reason. */
static bool is_branch(const struct growth_work *work, uint32_t node, const struct node_series *series) {
    size_t from = work->count / 3, last = work->count - 1;
    for (size_t i = from; i <= last; i++)
        if (series->own[i] < 1)
            return false;
    if (series->bytes[last] - series->bytes[from] < work->least_bytes / 2)
        return false;
    double risen = series->own[last] - series->own[from];
    if (work->last->nodes[node].single || risen < 1)
        return true;
    if (risen >= 2 && judge(work, series->own, 0).verdict == SERIES_GROWS)
        return false;
    double explained = risen * series->bytes[last] / series->own[last];
    return explained < (series->bytes[last] - series->bytes[from]) / 2;
}

/* Books what grew at `node` itself, `series`, by the verdict of the gate. */
static void add_holder(struct growth_work *work, uint32_t node, const struct node_series *series) {
    double grown = rise_of(work, series->bytes);
    if (grown < work->least_bytes)
        return;
    struct growth_holder holder = {.node = node, .example = work->last->nodes[node].example, .child = UINT32_MAX};
    holder.objects = judge(work, series->objects, 0);
    holder.bytes = judge(work, series->bytes, 0);
    holder.grown_bytes = (uint64_t)grown;
    holder.grown_objects = (uint64_t)fmax(0, rise_of(work, series->objects));
    /* Tables and buffers grow by doubling: their bytes come in steps while their objects come steadily. */
    bool grows = holder.bytes.verdict == SERIES_GROWS || holder.objects.verdict == SERIES_GROWS;
    *vector_push(grows ? &work->holders : &work->settled, struct growth_holder) = holder;
}

static void set_branch(struct growth_work *work, uint32_t node) {
    map_set(&work->branches, work->last->nodes[node].key, node);
}

static bool is_set_branch(const struct growth_work *work, uint32_t node) {
    return map_find(&work->branches, work->last->nodes[node].key) != MAP_ABSENT;
}

/* Takes the children that grow by themselves out of `rest`, which is the node's own series at first. */
static void split_branches(struct growth_work *work, uint32_t node, struct node_series *rest) {
    for (uint32_t child = work->first_child[node]; child; child = work->next_sibling[child]) {
        if ((double)work->last->nodes[child].subtree_bytes < work->least_bytes)
            continue;
        struct node_series series = series_of(work, child);
        if (rise_of(work, series.bytes) < work->least_bytes || !is_branch(work, child, &series))
            continue;
        set_branch(work, child);
        *vector_push(&work->pending, uint32_t) = child;
        add_series(work, rest, &series, -1);
    }
}

/* Garbage waits for the collector and has its own series; threads that multiply, and objects whose references
 * nobody shows, are held by nothing that has a path: each kind of them stands for itself. */
static void split_roots(struct growth_work *work) {
    for (uint32_t child = work->first_child[0]; child; child = work->next_sibling[child]) {
        const struct path_node *node = &work->last->nodes[child];
        if (is_set_branch(work, child) || (node->kind != EDGE_THREAD && node->kind != EDGE_SLOT))
            continue;
        struct node_series series = series_of(work, child);
        set_branch(work, child);
        if (node->reach != REACH_GARBAGE)
            add_holder(work, child, &series);
    }
}

static void examine_root(struct growth_work *work) {
    struct node_series unused = new_series(work), modules = new_series(work);
    for (uint32_t child = work->first_child[0]; child; child = work->next_sibling[child])
        if (work->last->nodes[child].reach == REACH_GARBAGE)
            set_branch(work, child);
    split_branches(work, 0, &unused);
    split_roots(work);
    for (uint32_t child = work->first_child[0]; child; child = work->next_sibling[child])
        if (work->last->nodes[child].kind == EDGE_MODULE && !is_set_branch(work, child)) {
            struct node_series series = series_of(work, child);
            add_series(work, &modules, &series, 1);
        }
    add_holder(work, growth_module_table(work), &modules);
}

static void examine_branches(struct growth_work *work) {
    while (work->pending.count) {
        uint32_t node = vector_items(&work->pending, uint32_t)[--work->pending.count];
        struct node_series rest = series_of(work, node);
        split_branches(work, node, &rest);
        add_holder(work, node, &rest);
    }
}

static void link_children(struct growth_work *work) {
    const struct path_tree *tree = work->last;
    work->first_child = arena_new(&work->scratch, uint32_t, tree->count);
    work->next_sibling = arena_new(&work->scratch, uint32_t, tree->count);
    for (uint32_t node = tree->count; node-- > 1;) {
        uint32_t parent = tree->nodes[node].parent;
        work->next_sibling[node] = work->first_child[parent];
        work->first_child[parent] = node;
    }
}

static void judge_totals(struct growth_work *work, struct growth *out) {
    double *values[4];
    for (int i = 0; i < 4; i++)
        values[i] = arena_new(&work->scratch, double, work->count);
    for (size_t i = 0; i < work->count; i++) {
        values[0][i] = (double)work->observations[i].bytes;
        values[1][i] = (double)work->observations[i].garbage_bytes;
        values[2][i] = (double)work->observations[i].native_bytes;
        values[3][i] = (double)work->observations[i].rss;
    }
    out->live = judge(work, values[0], work->least_bytes);
    out->garbage = judge(work, values[1], work->least_bytes);
    out->native = judge(work, values[2], work->least_bytes);
    out->rss = judge(work, values[3], work->least_bytes);
}

static int compare_holders(const void *left, const void *right) {
    const struct growth_holder *a = left, *b = right;
    if (a->bytes.slope != b->bytes.slope)
        return a->bytes.slope < b->bytes.slope ? 1 : -1;
    return a->node < b->node ? -1 : a->node > b->node;
}

static struct growth_holder *finish_holders(struct growth_work *work, const struct vector *found,
                                            const struct growth *growth) {
    struct growth_holder *holders = arena_new(work->arena, struct growth_holder, found->count);
    if (!found->count)
        return holders;
    memcpy(holders, found->items, found->count * sizeof *holders);
    qsort(holders, found->count, sizeof *holders, compare_holders);
    for (size_t i = 0; i < found->count; i++) {
        growth_explain(work, &holders[i]);
        if (growth->live.slope > 0)
            holders[i].share = fmin(1, fmax(0, holders[i].bytes.slope / growth->live.slope));
    }
    return holders;
}

static void compare(struct growth_work *work, struct growth *out) {
    work->last = &work->observations[work->count - 1].tree;
    work->indexes = arena_new(&work->scratch, struct map, work->count);
    work->addresses = arena_new(&work->scratch, struct map, work->count);
    for (size_t i = 0; i + 1 < work->count; i++)
        path_tree_index(&work->observations[i].tree, &work->indexes[i], &work->addresses[i]);
    link_children(work);
    examine_root(work);
    examine_branches(work);
    out->holders = finish_holders(work, &work->holders, out);
    out->count = work->holders.count;
    out->settled = finish_holders(work, &work->settled, out);
    out->settled_count = work->settled.count;
    for (size_t i = 0; i + 1 < work->count; i++) {
        map_deinit(&work->indexes[i]);
        map_deinit(&work->addresses[i]);
    }
}

/* The axis of rests; NULL if there are too few of them between two observations to stand for work. */
static double *axis_of_rests(struct growth_work *work) {
    enum { LEAST_RESTS = 20 };
    double *axis = arena_new(&work->scratch, double, work->count);
    for (size_t i = 0; i < work->count; i++) {
        axis[i] = work->observations[i].rests;
        if (i && axis[i] < axis[i - 1] + LEAST_RESTS)
            return NULL;
    }
    return axis;
}

static void make_axes(struct growth_work *work) {
    work->time = arena_new(&work->scratch, double, work->count);
    work->effort = arena_new(&work->scratch, double, work->count);
    bool known = work->count && work->observations[work->count - 1].work > 0;
    for (size_t i = 0; i < work->count; i++) {
        work->time[i] = work->observations[i].time;
        work->effort[i] = known ? work->observations[i].work : work->observations[i].time;
    }
    work->rests = axis_of_rests(work);
}

void growth_judge(const struct observation *observations, size_t count, const double *values, double noise,
                  struct series_trend *out) {
    struct growth_work work = {.observations = observations, .count = count};
    make_axes(&work);
    *out = judge(&work, values, noise);
    arena_deinit(&work.scratch);
}

void growth_compute(const struct observation *observations, size_t count, uint64_t least_bytes,
                    struct arena *arena, struct growth *out) {
    struct growth_work work = {.observations = observations, .count = count, .arena = arena};
    *out = (struct growth){0};
    work.least_bytes = least_bytes ? (double)least_bytes : 1;
    make_axes(&work);
    judge_totals(&work, out);
    if (count >= 2 && observations[count - 1].tree.count)
        compare(&work, out);
    map_deinit(&work.branches);
    vector_deinit(&work.pending);
    vector_deinit(&work.holders);
    vector_deinit(&work.settled);
    arena_deinit(&work.scratch);
}
