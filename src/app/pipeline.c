/* The pipeline, in order: from a target to a verdict. */
#include "app/pipeline.h"

#include "app/join.h"
#include "diagnosis/summary.h"

#include <math.h>

enum { LEAST_GROWTH = 16 << 10 }; /* bytes in the window below which nothing is worth a finding */

/* What was born before the first snapshot did not grow in the window. */
static void complete_sampling(struct stage *stage, const struct history *history) {
    if (!stage->sampling)
        return;
    const struct wire_head *head = &stage->sampling->samples->head;
    double begin = history->first_taken_at * 1e3 - (double)head->started / 1e6;
    stage->sampling->path_node_of = stage->path_node_of;
    stage->sampling->window_begin = begin > 0 ? (uint32_t)fmin(begin, UINT32_MAX) : 0;
}

void pipeline_conclude(struct stage *stage, const struct history *history, struct arena *arena, struct verdict *out) {
    struct growth growth;
    complete_sampling(stage, history);
    stage_find_dominators(stage);
    stage_find_holes(stage, history);
    growth_compute(history->observations, history->count, LEAST_GROWTH, &stage->arena, &growth);
    struct evidence evidence = {
        .heap = stage->heap,
        .reach = &stage->reach,
        .refcounts = &stage->refcounts,
        .dominators = &stage->dominators,
        .paths = &stage->paths,
        .observations = history->observations,
        .observation_count = history->count,
        .growth = &growth,
        .pause_ms = history->pause_ms,
        .sampling = stage->sampling,
        .holes = stage->holes,
    };
    struct arena fresh = {0};
    *out = (struct verdict){0};
    if (history->count > 1)
        diagnose(&evidence, &fresh, out);
    else
        diagnose_single(&evidence, &fresh, out);
    arena_deinit(arena); /* the verdict before this one */
    *arena = fresh;
}

/* A process that ends half-way still has its verdict, if enough was seen. */
static struct error *verdict_so_far(const struct watch *watch, struct error *error, struct arena *arena,
                                    struct verdict *verdict) {
    if (error && watch->taken == 0)
        return error;
    if (error && watch->taken < WATCH_LEAST) {
        struct error *short_one = error_create(error->status, "%s; a verdict needs %d snapshots, there are %zu",
                                               error->message, WATCH_LEAST, watch->taken);
        error_discard(error);
        return short_one;
    }
    if (error)
        summary_add_note(verdict, arena, arena_format(arena, "ended after %zu of %zu snapshots: %s", watch->taken,
                                              watch->wanted, error->message));
    else if (watch->interrupted)
        summary_add_note(verdict, arena, arena_format(arena, "interrupted after %zu of %zu snapshots", watch->taken,
                                              watch->wanted));
    error_discard(error);
    return NULL;
}

static void add_remarks(const struct watch *watch, struct arena *arena, struct verdict *verdict) {
    for (size_t i = 0; i < watch->target_count; i++)
        for (size_t k = 0; k < watch->targets[i].remark_count; k++)
            summary_add_note(verdict, arena, arena_format(arena, "%s", watch->targets[i].remarks[k]));
}

/* One snapshot and what it adds; whether there is to be another one. */
static struct error *look(struct watch *watch, struct history *history, struct arena *arena, struct verdict *out,
                          bool *more_out) {
    struct heap *heap;
    struct stage stage;
    struct join join;
    join_open(watch->live ? watch->targets[0].pid : 0, &join); /* samples are read whoever asked for them */
    struct error *error = watch_take(watch, &heap); /* 1-4 freeze, copy, model, capture */
    *more_out = false;
    if (error) {
        join_close(&join);
        return error;
    }
    stage_open(&stage, heap);                   /* 6 reach, best paths */
    history_add(history, &stage, watch->asked); /* 7 the path tree, which is kept */
    join_samples(&stage, &join);                /* 8 which object each sample is */
    join_widen(watch, history);
    bool enough = false, concluded = watch->taken >= WATCH_LEAST;
    if (concluded) {
        pipeline_conclude(&stage, history, arena, out); /* 6-9 dominators, growth, diagnosis */
        enough = diagnosis_is_certain(out, watch->seconds);
    }
    *more_out = !enough && watch_wait(watch);
    if (!*more_out && !concluded)
        pipeline_conclude(&stage, history, arena, out);
    stage_close(&stage);
    return NULL;
}

static struct error *look_on(struct watch *watch, struct arena *arena, struct verdict *out) {
    struct history history = {0};
    struct error *error = NULL;
    bool more = true;
    while (more && !error)
        error = look(watch, &history, arena, out, &more);
    history_deinit(&history);
    return error;
}

struct error *pipeline_leaks(struct watch *watch, struct arena *arena, struct verdict *out) {
    bool wanted = watch->lines && watch->live;
    int pid = watch->targets[0].pid;
    struct error *refusal = wanted ? join_begin(pid, watch->sampler, &watch->attached) : NULL;
    struct error *error = look_on(watch, arena, out);
    if (watch->attached)
        join_end(pid);
    add_remarks(watch, arena, out);
    if (refusal)
        summary_add_note(out, arena, arena_format(arena, "no allocation lines: %s", refusal->message));
    error_discard(refusal);
    return verdict_so_far(watch, error, arena, out);
}
