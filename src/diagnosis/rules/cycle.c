/* Garbage that the collector never gets: switched off, frozen, put off, or blind to a C type. */
#include "diagnosis/amount.h"
#include "diagnosis/rules.h"

/* Far above any threshold in use; CPython's own is 700, or 2,000 since 3.13, and each older generation is
 * collected every tenth time. */
enum { YOUNG_MOST = 100 * 1000, OLD_MOST = 10 * 1000 * 1000 };

/* Only what the collector tracks is frozen; the strings and numbers that such objects keep are in no
 * generation. */
static bool mostly_frozen(const struct evidence *evidence) {
    const struct graph *graph = &evidence->heap->graph;
    const struct observation *first = &evidence->observations[0];
    const struct observation *last = &evidence->observations[evidence->observation_count - 1];
    int64_t tracked = 0, frozen = 0;
    for (node_id node = graph->synthetic_count; node < graph->node_count; node++) {
        if (evidence->reach->class_of[node] != REACH_GARBAGE)
            continue;
        frozen += (graph->flags[node] & NODE_PERMANENT) != 0;
        tracked += (graph->flags[node] & (NODE_PERMANENT | NODE_COLLECTED)) != 0;
    }
    return last->permanent_garbage_bytes > first->permanent_garbage_bytes &&
           comparison_share(frozen, tracked) >= 0.5;
}

static bool matches_waiting(const struct candidate *candidate, struct arena *arena,
                            struct rule_match *match) {
    if (candidate->source != CANDIDATE_GARBAGE)
        return false;
    const struct heap_facts *facts = &candidate->evidence->heap->facts;
    const uint32_t *threshold = facts->gc_threshold;
    if (mostly_frozen(candidate->evidence)) {
        match->cause =
            "reference cycles were frozen: gc.freeze() moved them to the permanent generation, which is "
            "never collected";
        match->advice =
            "call gc.freeze() once after start-up only; before each further call run gc.unfreeze() and "
            "gc.collect(), or break the cycles";
        match->evidence = "the garbage lies in the permanent generation";
        return true;
    }
    if (!facts->gc_enabled) {
        match->evidence = "gc.isenabled() is False";
        return true;
    }
    if (threshold[0] == 0) {
        match->evidence = "gc.get_threshold()[0] is 0: collection is off";
        return true;
    }
    if (threshold[0] > YOUNG_MOST || (uint64_t)threshold[0] * threshold[1] > OLD_MOST) {
        match->cause =
            "reference cycles wait for the garbage collector, whose thresholds are so high that it hardly "
            "ever runs";
        match->advice =
            "lower the thresholds (gc.set_threshold(50_000, 20, 20)), call gc.collect() now and then, or "
            "break the cycles";
        match->evidence = arena_format(arena, "gc.get_threshold() is (%u, %u, %u)", threshold[0],
                                       threshold[1], threshold[2]);
        return true;
    }
    return false;
}

const struct rule rule_waiting_cycle = {
    KIND_WAITING_CYCLE,
    matches_waiting,
    "reference cycles that nobody uses pile up, because the garbage collector is switched off",
    "enable the collector (gc.enable()), call gc.collect() at quiet moments, or break the cycles: weakref "
    "for the way "
    "back to the parent, `del` of exceptions kept in local variables",
};

/* Such a reference can close a cycle. A dict that is not tracked (all it has are plain values and such
 * objects) is of a collected type none the less. */
static bool is_collectable_garbage(const struct evidence *evidence, node_id node) {
    return evidence->reach->class_of[node] == REACH_GARBAGE &&
           graph_type_of(&evidence->heap->graph, node)->flags & TYPE_COLLECTED;
}

static bool refers_to_garbage(const struct evidence *evidence, node_id node) {
    const struct graph *graph = &evidence->heap->graph;
    for (uint32_t edge = graph->out_begin[node]; edge < graph->out_begin[node + 1]; edge++)
        if (graph->out_kind[edge] != EDGE_TYPE && is_collectable_garbage(evidence, graph->out_target[edge]))
            return true;
    return false;
}

static bool is_referred_by_garbage(const struct evidence *evidence, node_id node) {
    const struct graph *graph = &evidence->heap->graph;
    for (uint32_t i = graph->in_begin[node]; i < graph->in_begin[node + 1]; i++)
        if (is_collectable_garbage(evidence, graph->in_source[i]))
            return true;
    return false;
}

/* The collector sees references only of types that take part in it. */
static bool is_blind_spot(const struct evidence *evidence, node_id node) {
    const struct graph *graph = &evidence->heap->graph;
    return evidence->reach->class_of[node] == REACH_GARBAGE &&
           !(graph_type_of(graph, node)->flags & TYPE_COLLECTED) && refers_to_garbage(evidence, node) &&
           is_referred_by_garbage(evidence, node);
}

static bool type_grows(const struct candidate *candidate, const struct graph_type *type) {
    for (size_t i = 0; i < candidate->makeup.type_count; i++)
        if (span_equal(candidate->makeup.types[i].name, type->name) &&
            span_equal(candidate->makeup.types[i].module, type->module) &&
            candidate->makeup.types[i].count > 0)
            return true;
    return false;
}

static bool matches_uncollectable(const struct candidate *candidate, struct arena *arena,
                                  struct rule_match *match) {
    if (candidate->source != CANDIDATE_GARBAGE)
        return false;
    const struct graph *graph = candidate->graph;
    for (node_id node = graph->synthetic_count; node < graph->node_count; node++) {
        const struct graph_type *type = graph_type_of(graph, node);
        if (!is_blind_spot(candidate->evidence, node) || !type_grows(candidate, type))
            continue;
        match->evidence =
            arena_format(arena, "%s refers to objects of the cycle, but takes no part in garbage collection",
                         amount_type_name(arena, type->module, type->name));
        return true;
    }
    return false;
}

const struct rule rule_uncollectable = {
    KIND_UNCOLLECTABLE_CYCLE,
    matches_uncollectable,
    "reference cycles pass through a C type that the garbage collector cannot look into (no "
    "Py_TPFLAGS_HAVE_GC, no "
    "tp_traverse)",
    "give the C type tp_traverse and tp_clear, or break the cycle in Python (weakref, clear the reference "
    "when done)",
};
