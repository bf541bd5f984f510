/* Objects whose reference count is higher than the references that exist: C code kept one too many. */
#include "diagnosis/amount.h"
#include "diagnosis/rules.h"

/* How many references of such objects nobody shows, snapshot by snapshot. */
static struct series_trend trend_of_surplus(const struct evidence *evidence, uint64_t key) {
    struct arena scratch = {0};
    size_t count = evidence->observation_count;
    double *time = arena_new(&scratch, double, count), *surplus = arena_new(&scratch, double, count);
    for (size_t i = 0; i < count; i++) {
        const struct refcount_type *row = refcounts_find(&evidence->observations[i].refcounts, key);
        time[i] = evidence->observations[i].time;
        surplus[i] = row ? (double)row->surplus : 0;
    }
    struct series_trend trend;
    series_judge(&(struct series){time, surplus, count}, 0, &trend);
    arena_deinit(&scratch);
    return trend;
}

/* The type whose surplus says most: that of the objects where what grows begins. */
static const char *write_surplus(const struct candidate *candidate, struct arena *arena) {
    const struct graph *graph = candidate->graph;
    const struct evidence *evidence = candidate->evidence;
    const struct path_node *region = &candidate->comparison->tree->nodes[candidate->region.node];
    node_id example = region->example;
    if (example == NODE_NONE || example >= graph->node_count || refcounts_surplus(graph, example) <= 0)
        return NULL;
    const struct graph_type *type = graph_type_of(graph, example);
    const struct observation *last = &evidence->observations[evidence->observation_count - 1];
    const struct refcount_type *row = refcounts_find(&last->refcounts, refcounts_key(type));
    if (!row)
        return NULL;
    struct series_trend trend = trend_of_surplus(evidence, row->key);
    return arena_format(arena, "%s objects of type %s hold %s references more than anything in the process explains; "
                        "%+.0f per second; such as the one at 0x%llx",
                        amount_count(arena, row->objects), amount_type_name(arena, type->module, type->name),
                        amount_count(arena, row->surplus), trend.slope,
                        (unsigned long long)graph->addresses[example]);
}

static const char *write_example(const struct candidate *candidate, struct arena *arena) {
    const struct graph *graph = candidate->graph;
    node_id example = candidate->example;
    if (example == NODE_NONE || example < graph->synthetic_count || refcounts_surplus(graph, example) <= 0)
        return NULL;
    const struct graph_type *type = graph_type_of(graph, example);
    return arena_format(arena,
                        "one of them: %s at 0x%llx has reference count %u, but %u references to it exist in Python",
                        amount_type_name(arena, type->module, type->name),
                        (unsigned long long)graph->addresses[example], graph->refcounts[example],
                        graph_in_degree(graph, example));
}

static bool matches(const struct candidate *candidate, struct arena *arena, struct rule_match *match) {
    if (candidate->source != CANDIDATE_NATIVE)
        return false;
    const char *surplus = write_surplus(candidate, arena), *example = write_example(candidate, arena);
    match->evidence = surplus ? surplus : example;
    return true;
}

const struct rule rule_refcount = {
    KIND_REFCOUNT_LEAK,
    matches,
    "C code holds references to these objects and does not give them back: a missing Py_DECREF or "
    "PyBuffer_Release, "
    "or a table of its own",
    "look for the C extension that makes or receives these objects: every new reference (also after "
    "PyList_Append, PyObject_GetBuffer) needs its release; update the extension, or restart workers "
    "regularly",
};
