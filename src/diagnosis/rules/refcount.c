/* Objects whose reference count is higher than the references that exist: C code kept one too many. */
#include "diagnosis/amount.h"
#include "diagnosis/rules.h"

static bool matches(const struct candidate *candidate, struct arena *arena, struct rule_match *match) {
    if (candidate->source != CANDIDATE_NATIVE)
        return false;
    const struct graph *graph = candidate->graph;
    node_id example = candidate->example;
    if (example != NODE_NONE && example >= graph->synthetic_count) {
        const struct graph_type *type = graph_type_of(graph, example);
        match->evidence = arena_format(
            arena,
            "one of them: %s at 0x%llx has reference count %u, but %u references to it exist in Python",
            amount_type_name(arena, type->module, type->name), (unsigned long long)graph->addresses[example],
            graph->refcounts[example], graph_in_degree(graph, example));
    }
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
