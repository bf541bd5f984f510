/* What one snapshot tells: where the heap is concentrated. The rules are those of Eclipse MAT: a suspect
 * retains more than a tenth of the heap; from it down to the point where the largest child holds less than
 * 0.7 of its parent. */
#include "diagnosis/diagnosis.h"

#include "diagnosis/amount.h"
#include "diagnosis/summary.h"

enum { SUSPECTS_MOST = 5, DEPTH_MOST = 1000 };

static const double suspect_share = 0.1, big_drop = 0.7;

struct dominated {
    node_id *first, *next; /* lists of children in the tree of dominators; NODE_NONE ends them */
};

static void link_dominated(const struct graph *graph, const struct dominators *dominators,
                           struct arena *arena, struct dominated *out) {
    out->first = arena_new(arena, node_id, graph->node_count);
    out->next = arena_new(arena, node_id, graph->node_count);
    memset(out->first, 0xff, graph->node_count * sizeof *out->first);
    for (node_id node = graph->node_count; node-- > 1;) {
        node_id above = dominators->immediate[node];
        if (above == NODE_NONE)
            continue;
        out->next[node] = out->first[above];
        out->first[above] = node;
    }
}

static node_id largest_dominated(const struct dominated *dominated, const struct dominators *dominators,
                                 node_id node) {
    node_id best = NODE_NONE;
    for (node_id child = dominated->first[node]; child != NODE_NONE; child = dominated->next[child])
        if (best == NODE_NONE || dominators->retained[child] > dominators->retained[best])
            best = child;
    return best;
}

static node_id accumulation_point(const struct dominated *dominated, const struct dominators *dominators,
                                  node_id node) {
    for (int depth = 0; depth < DEPTH_MOST; depth++) {
        node_id child = largest_dominated(dominated, dominators, node);
        if (child == NODE_NONE ||
            (double)dominators->retained[child] < big_drop * (double)dominators->retained[node])
            return node;
        node = child;
    }
    return node;
}

/* Synthetic nodes and modules hold much and say little: their children are suspects in their place. */
static bool is_scaffold(const struct graph *graph, node_id node) {
    uint32_t role = graph_type_of(graph, node)->role;
    return node < graph->synthetic_count || role == ROLE_MODULE;
}

struct suspects {
    node_id points[SUSPECTS_MOST];
    size_t count;
};

static void add_point(struct suspects *suspects, const struct dominators *dominators, node_id point) {
    size_t at = suspects->count < SUSPECTS_MOST ? suspects->count++ : SUSPECTS_MOST;
    for (; at > 0 && dominators->retained[suspects->points[at - 1]] < dominators->retained[point]; at--)
        if (at < SUSPECTS_MOST)
            suspects->points[at] = suspects->points[at - 1];
    if (at < SUSPECTS_MOST)
        suspects->points[at] = point;
}

static void find_suspects(const struct evidence *evidence, uint64_t least, struct suspects *out) {
    const struct graph *graph = &evidence->heap->graph;
    const struct dominators *dominators = evidence->dominators;
    struct arena scratch = {0};
    struct dominated dominated;
    link_dominated(graph, dominators, &scratch, &dominated);
    for (node_id node = 1; node < graph->node_count; node++) {
        node_id above = dominators->immediate[node];
        if (is_scaffold(graph, node) || above == NODE_NONE || !is_scaffold(graph, above) ||
            evidence->reach->class_of[node] != REACH_LIVE || dominators->retained[node] <= least)
            continue;
        add_point(out, dominators, accumulation_point(&dominated, dominators, node));
    }
    arena_deinit(&scratch);
}

static void describe_steps(const struct evidence *evidence, const struct path_step *steps, size_t count,
                           struct arena *arena, struct finding *out) {
    const struct graph *graph = &evidence->heap->graph;
    out->steps = arena_new(arena, struct holder_step, count + 1);
    for (size_t i = 0; i < count; i++) {
        struct text edge = {0};
        paths_write_step(graph, evidence->reach, steps, count, i, &edge);
        const struct graph_type *type = graph_type_of(graph, steps[i].node);
        out->steps[out->step_count++] = (struct holder_step){
            .edge = arena_copy_text(arena, text_get(&edge), edge.length),
            .type = amount_type_name(arena, type->module, type->name),
            .address = graph->addresses[steps[i].node],
            .bytes = evidence->dominators->retained[steps[i].node],
        };
        text_deinit(&edge);
    }
}

static void write_path(const struct evidence *evidence, node_id point, struct arena *arena,
                       struct finding *out) {
    const struct graph *graph = &evidence->heap->graph;
    struct path_step *steps;
    size_t count = paths_steps(graph, evidence->paths, point, arena, &steps);
    struct text path = {0};
    paths_write(graph, evidence->reach, steps, count, &path);
    out->path = arena_copy_text(arena, text_get(&path), path.length);
    text_deinit(&path);
    describe_steps(evidence, steps, count, arena, out);
    out->root =
        count ? arena_format(arena, "%s%s", steps[0].kind == EDGE_MODULE ? "module " : "", out->steps[0].edge)
              : "";
}

static void write_finding(const struct evidence *evidence, node_id point, uint32_t rank, uint64_t heap,
                          struct arena *arena, struct finding *out) {
    const struct graph *graph = &evidence->heap->graph;
    const struct graph_type *type = graph_type_of(graph, point);
    struct node_facts facts = {.length = -1};
    *out = (struct finding){.rank = rank, .kind = KIND_GROWING_CONTAINER, .confidence = CONFIDENCE_POSSIBLE};
    graph->describe.node_facts(graph->describe.context, point, &facts, arena);
    out->bytes = out->exclusive_bytes = evidence->dominators->retained[point];
    out->heap_share = heap ? (double)out->bytes / (double)heap : 0;
    out->holder_entries = facts.length > 0 ? (uint64_t)facts.length : 0;
    out->holder_type = amount_type_name(arena, type->module, type->name);
    write_path(evidence, point, arena, out);
    out->title = arena_format(arena, "%s holds %s", out->path, amount_bytes(arena, (double)out->bytes));
    out->cause = "one snapshot tells how much it holds, not whether it grows";
    out->advice = "watch the process (caulk leaks PID), or compare with a later snapshot (caulk diff)";
    out->evidence = arena_new(arena, const char *, 1);
    out->evidence[out->evidence_count++] = arena_format(
        arena, "%d %% of the heap is reachable only through it", amount_percent(out->heap_share));
}

void diagnose_single(const struct evidence *evidence, struct arena *arena, struct verdict *out) {
    *out = (struct verdict){.outcome = VERDICT_INCONCLUSIVE};
    summary_fill(evidence, arena, out);
    struct suspects suspects = {0};
    find_suspects(evidence, (uint64_t)(suspect_share * (double)out->live_bytes), &suspects);
    out->findings = arena_new(arena, struct finding, suspects.count + 1);
    for (size_t i = 0; i < suspects.count; i++)
        write_finding(evidence, suspects.points[i], (uint32_t)i + 1, out->live_bytes, arena,
                      &out->findings[i]);
    out->finding_count = suspects.count;
    summary_add_notes(evidence, arena, out);
}
