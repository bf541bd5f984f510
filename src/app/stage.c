/* One snapshot and what is computed of it, and what is kept of it when it goes. */
#include "app/join.h"
#include "app/pipeline.h"
#include "graph/capture.h"

#include <math.h>

void stage_open(struct stage *stage, struct heap *heap) {
    *stage = (struct stage){.heap = heap};
    reach_compute(&heap->graph, &stage->arena, &stage->reach);
    refcounts_compute(&heap->graph, &stage->arena, &stage->refcounts);
    paths_compute(&heap->graph, &stage->reach, &stage->arena, &stage->paths);
}

void stage_find_dominators(struct stage *stage) {
    if (!stage->has_dominators)
        dominators_compute(&stage->heap->graph, &stage->reach, DOMINATORS_AUTOMATIC, &stage->arena,
                           &stage->dominators);
    stage->has_dominators = true;
}

void stage_close(struct stage *stage) {
    heap_close(stage->heap);
    arena_deinit(&stage->arena);
    arena_deinit(&stage->recording);
    *stage = (struct stage){0};
}

struct error *stage_open_target(struct stage *stage, const struct choices *choices) {
    struct target target;
    struct heap *heap;
    struct progress progress;
    TRY(target_from_word(choices->operands[0], choices, &target));
    struct join join;
    join_open(target.pid, &join);
    struct error *error = target_open(&target, &heap);
    if (error) {
        join_close(&join);
        return error;
    }
    target_print_remarks(&target);
    progress_open(&progress);
    stage_open(stage, heap);
    join_samples(stage, &join);
    progress_show(&progress, "caulk: who holds what in %u objects", heap->graph.node_count);
    stage_find_dominators(stage);
    progress_close(&progress);
    return NULL;
}

static void add_permanent(const struct stage *stage, struct observation *out) {
    const struct graph *graph = &stage->heap->graph;
    for (node_id node = graph->synthetic_count; node < graph->node_count; node++) {
        if (stage->reach.class_of[node] != REACH_GARBAGE || !(graph->flags[node] & NODE_PERMANENT))
            continue;
        out->permanent_garbage_objects++;
        out->permanent_garbage_bytes += graph->sizes[node];
    }
}

static void fill_totals(const struct stage *stage, struct observation *out) {
    const struct reach *reach = &stage->reach;
    const struct heap_facts *facts = &stage->heap->facts;
    out->objects = reach->objects[REACH_LIVE] + reach->objects[REACH_NATIVE];
    out->bytes = reach->bytes[REACH_LIVE] + reach->bytes[REACH_NATIVE];
    out->native_objects = reach->objects[REACH_NATIVE];
    out->native_bytes = reach->bytes[REACH_NATIVE];
    out->garbage_objects = reach->objects[REACH_GARBAGE];
    out->garbage_bytes = reach->bytes[REACH_GARBAGE];
    out->rss = facts->rss;
    out->anonymous = facts->anonymous;
    out->gc_objects = facts->gc_objects;
    memcpy(out->collections, facts->gc_collections, sizeof out->collections);
    add_permanent(stage, out);
}

/* Seconds since the observation before in which the target could work: a program that is stopped, or stands in the
 * queue for a processor, neither works nor leaks. */
static double time_to_work(const struct history *history, const struct heap_facts *facts, double elapsed) {
    double running = facts->running - history->last_running, waiting = facts->waiting - history->last_waiting;
    double lost = facts->pause_ms / 1000;
    if (running > 0 && waiting > 0) /* threads may wait side by side */
        lost += fmin(waiting, elapsed * waiting / (running + waiting));
    return fmax(elapsed - lost, elapsed / 10);
}

struct hole_sum {
    const struct stage *stage;
    uint32_t count;
};

static void add_hole(void *context, node_id node, uint64_t bytes) {
    const struct hole_sum *sum = context;
    uint32_t place = sum->stage->path_node_of[node];
    if (place >= sum->count)
        return;
    sum->stage->holes[place].bytes += bytes;
    sum->stage->holes[place].objects++;
}

void stage_find_holes(struct stage *stage, const struct history *history) {
    struct hole_sum sum = {stage, history->observations[history->count - 1].tree.count};
    if (stage->holes || !stage->path_node_of || !diagnosis_wants_holes(history->observations, history->count))
        return;
    stage->holes = arena_new(&stage->arena, struct hole, sum.count + 1);
    capture_holes(stage->heap, add_hole, &sum);
}

/* Whose it is takes a search through the whole image: where that is small, or once there is more of it than at first. */
static void observe_raw(struct stage *stage, struct history *history, struct observation *out) {
    enum { LEAST_RAW = 32 << 10, SMALL = 64 << 20 };
    struct raw_holders holders;
    capture_allocator_use(stage->heap, &out->use);
    bool looked = history->count ? history->observations[history->count - 1].raw.known
                                 : out->use.malloc_used + out->use.pools <= SMALL;
    if (!looked && (history->count == 0 || out->use.raw < history->observations[0].use.raw + LEAST_RAW))
        return;
    capture_raw(stage->heap, &stage->arena, &holders);
    raw_parts_fold(&holders, out->tree.node_of, &out->tree, &history->arena, &out->raw);
}

void history_add(struct history *history, struct stage *stage, size_t capacity) {
    const struct heap_facts *facts = &stage->heap->facts;
    if (!history->observations) {
        history->observations = arena_new(&history->arena, struct observation, capacity);
        history->pause_ms = arena_new(&history->arena, double, capacity);
        history->first_taken_at = facts->taken_at;
    }
    struct observation *observation = &history->observations[history->count];
    observation->time = facts->taken_at - history->first_taken_at;
    if (history->count > 0) {
        const struct observation *before = &history->observations[history->count - 1];
        observation->work = before->work + time_to_work(history, facts, observation->time - before->time);
    }
    history->last_running = facts->running;
    history->last_waiting = facts->waiting;
    observation->rests = (double)facts->rests;
    fill_totals(stage, observation);
    observation->refcounts = refcounts_copy(&stage->refcounts, &history->arena);
    path_tree_build(&stage->heap->graph, &stage->reach, &stage->paths, &stage->arena, &history->arena, &observation->tree);
    stage->path_node_of = observation->tree.node_of;
    observe_raw(stage, history, observation);
    observation->tree.node_of = NULL; /* it ends with the stage */
    history->pause_ms[history->count++] = facts->pause_ms;
}

void history_thin(struct history *history) {
    size_t kept = 1;
    for (size_t i = 2; i < history->count; i += 2, kept++) {
        history->observations[kept] = history->observations[i];
        history->pause_ms[kept] = history->pause_ms[i];
    }
    if (history->count > 1 && history->count % 2 == 0) {
        history->observations[kept] = history->observations[history->count - 1];
        history->pause_ms[kept++] = history->pause_ms[history->count - 1];
    }
    history->count = kept < history->count ? kept : history->count;
}

void history_deinit(struct history *history) {
    arena_deinit(&history->arena);
    *history = (struct history){0};
}
