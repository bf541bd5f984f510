/* Numbers the nodes by a depth-first search, chooses the algorithm, and sums up what each node retains. */
#include "analysis/dominators_work.h"

enum { MOST_STEPS_PER_NODE = 64, LOOK_AHEAD = 16, FAR = 12, NEAR = 3 };

static visit begin_visit(struct dominators_work *work, node_id node, visit parent, visit number) {
    const struct graph *graph = work->graph;
    uint32_t begin = graph->out_begin[node], end = graph->out_begin[node + 1];
    work->number_of[node] = number;
    work->order[number] = node;
    work->links[number] = (struct dominators_link){parent, begin};
    work->semi[number] = parent;
    for (uint32_t edge = begin; edge < end && edge < begin + FAR; edge++) {
        __builtin_prefetch(&work->number_of[graph->out_target[edge]]);
        __builtin_prefetch(&graph->out_begin[graph->out_target[edge]]);
    }
    return number;
}

/* Fetches what later children of the same parent will need. */
static void look_ahead(const struct dominators_work *work, uint32_t edge, uint32_t end) {
    const struct graph *graph = work->graph;
    if (edge + FAR < end) {
        __builtin_prefetch(&work->number_of[graph->out_target[edge + FAR]]);
        __builtin_prefetch(&graph->out_begin[graph->out_target[edge + FAR]]);
    }
    uint32_t near = edge + NEAR < end ? edge + NEAR : end - 1;
    __builtin_prefetch(&graph->out_target[graph->out_begin[graph->out_target[near]]]);
}

/* Visits all that can be reached from `start` and was not visited; returns the next free number. The links are
 * the stack: the way back is `ancestor`, the place to go on is `label`. */
static visit search_from(struct dominators_work *work, node_id start, visit next) {
    const node_id *target = work->graph->out_target;
    const visit *number_of = work->number_of;
    visit current = begin_visit(work, start, 0, next++);
    do {
        uint32_t edge = work->links[current].label, end = work->graph->out_begin[work->order[current] + 1];
        while (edge < end && number_of[target[edge]])
            edge++;
        if (edge == end) {
            current = work->links[current].ancestor;
            continue;
        }
        work->links[current].label = edge + 1;
        look_ahead(work, edge, end);
        current = begin_visit(work, target[edge], current, next++);
    } while (current);
    return next;
}

void dominators_number(struct dominators_work *work) {
    const struct graph *graph = work->graph;
    visit next = 1;
    memset(work->number_of, 0, graph->node_count * sizeof *work->number_of);
    work->order[0] = NODE_ROOT;
    for (uint32_t edge = graph->out_begin[NODE_ROOT]; edge < graph->out_begin[NODE_ROOT + 1]; edge++)
        if (!work->number_of[graph->out_target[edge]])
            next = search_from(work, graph->out_target[edge], next);
    for (uint32_t i = 0; i < work->reach->entry_count; i++)
        if (!work->number_of[work->reach->entries[i]])
            next = search_from(work, work->reach->entries[i], next);
    for (uint32_t edge = graph->out_begin[NODE_ROOT]; edge < graph->out_begin[NODE_ROOT + 1]; edge++)
        work->semi[work->number_of[graph->out_target[edge]]] = 0;
    for (uint32_t i = 0; i < work->reach->entry_count; i++)
        work->semi[work->number_of[work->reach->entries[i]]] = 0;
}

static void run(struct dominators_work *work, enum dominators_algorithm algorithm, struct dominators *out) {
    uint64_t most_steps = (uint64_t)MOST_STEPS_PER_NODE * work->graph->node_count;
    dominators_number(work);
    if (algorithm != DOMINATORS_LENGAUER_TARJAN) {
        bool done = dominators_semi_nca(work, algorithm == DOMINATORS_SEMI_NCA ? UINT64_MAX : most_steps);
        out->steps = work->steps;
        if (done)
            return;
        dominators_number(work);
    }
    dominators_lengauer_tarjan(work);
    out->fell_back = true;
}

/* From visits back to nodes. `number_of` is used up: it becomes the result. */
static void finish(struct dominators_work *work, uint64_t *retained, struct dominators *out) {
    uint32_t count = work->graph->node_count;
    const node_id *order = work->order;
    node_id *immediate = work->number_of;
    memcpy(retained, work->graph->sizes, count * sizeof *retained);
    for (visit v = count - 1; v > 0; v--) {
        if (v > LOOK_AHEAD) {
            __builtin_prefetch(&retained[order[v - LOOK_AHEAD]], 1);
            __builtin_prefetch(&immediate[order[v - LOOK_AHEAD]], 1);
        }
        node_id dominator = order[work->immediate[v]];
        retained[dominator] += retained[order[v]];
        immediate[order[v]] = dominator;
    }
    immediate[NODE_ROOT] = NODE_NONE;
    out->immediate = immediate;
    out->order = order;
    out->retained = retained;
}

void dominators_compute(const struct graph *graph, const struct reach *reach, enum dominators_algorithm algorithm,
                        struct arena *arena, struct dominators *out) {
    struct arena scratch = {0};
    uint32_t count = graph->node_count;
    struct dominators_work work = {.graph = graph, .reach = reach};
    *out = (struct dominators){0};
    work.number_of = arena_new(arena, visit, count);
    work.order = arena_new(arena, node_id, count);
    work.links = arena_new(&scratch, struct dominators_link, count);
    work.semi = arena_new(&scratch, visit, count);
    work.immediate = arena_new(&scratch, visit, count);
    run(&work, algorithm, out);
    arena_release(&scratch, work.links);
    arena_release(&scratch, work.semi);
    finish(&work, arena_new(arena, uint64_t, count), out);
    arena_deinit(&scratch);
}
