/* The verbs that every graph has, wherever it came from: lookup, in-edges, self-check. */
#include "graph/graph.h"

node_id graph_find_address(const struct graph *graph, uint64_t address) {
    uint32_t low = graph->synthetic_count, high = graph->node_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (graph->addresses[middle] < address)
            low = middle + 1;
        else
            high = middle;
    }
    return low < graph->node_count && graph->addresses[low] == address ? low : NODE_NONE;
}

void graph_build_in_edges(struct graph *graph, struct arena *arena) {
    uint32_t *begin = arena_new(arena, uint32_t, (size_t)graph->node_count + 2);
    node_id *source = arena_new(arena, node_id, graph->edge_count);
    /* Counted two places up, so that begin[t + 1] can serve as the cursor of t and ends where t + 1 begins. */
    for (uint64_t e = 0; e < graph->edge_count; e++)
        begin[(size_t)graph->out_target[e] + 2]++;
    for (size_t n = 2; n <= (size_t)graph->node_count; n++)
        begin[n] += begin[n - 1];
    for (node_id n = 0; n < graph->node_count; n++)
        for (uint32_t e = graph->out_begin[n]; e < graph->out_begin[n + 1]; e++)
            source[begin[(size_t)graph->out_target[e] + 1]++] = n;
    graph->in_begin = begin;
    graph->in_source = source;
}

static bool is_synthetic_role(uint32_t role) {
    return role == ROLE_THREAD || role == ROLE_ACTIVATION || role == ROLE_TABLE || role == ROLE_ROOT;
}

static const char *check_types(const struct graph *graph) {
    for (uint32_t t = 0; t < graph->type_count; t++) {
        const struct graph_type *type = &graph->types[t];
        if (type->role > ROLE_ROOT)
            return "a type has a role that does not exist";
        if ((!type->name.data && type->name.length) || (!type->module.data && type->module.length))
            return "a type has a name without text";
    }
    return NULL;
}

static const char *check_nodes(const struct graph *graph) {
    for (node_id n = 0; n < graph->node_count; n++) {
        if (graph->type_of[n] >= graph->type_count)
            return "a node has a type that does not exist";
        uint32_t role = graph->types[graph->type_of[n]].role;
        if ((role == ROLE_ROOT) != (n == NODE_ROOT))
            return "node 0 and only node 0 must be the root";
        if (is_synthetic_role(role) != (n < graph->synthetic_count))
            return "a node among the synthetic ones is an object, or the reverse";
        if (n < graph->synthetic_count && graph->addresses[n] != 0)
            return "a synthetic node has an address";
        if (n > graph->synthetic_count && graph->addresses[n] <= graph->addresses[n - 1])
            return "addresses do not rise";
    }
    return NULL;
}

static const char *check_begin(const uint32_t *begin, uint32_t node_count, uint64_t edge_count) {
    if (begin[0] != 0 || begin[node_count] != edge_count)
        return "edge ranges do not cover the edges";
    for (node_id n = 0; n < node_count; n++)
        if (begin[n] > begin[n + 1])
            return "edge ranges overlap";
    return NULL;
}

static const char *check_out_edges(const struct graph *graph) {
    const char *problem = check_begin(graph->out_begin, graph->node_count, graph->edge_count);
    if (problem)
        return problem;
    for (uint64_t e = 0; e < graph->edge_count; e++) {
        if (graph->out_target[e] >= graph->node_count)
            return "an edge leads to a node that does not exist";
        if (graph->out_target[e] == NODE_ROOT)
            return "an edge leads to the root";
        if (graph->out_kind[e] >= EDGE_KIND_COUNT)
            return "an edge is of a kind that does not exist";
    }
    for (node_id n = 0; n < graph->node_count; n++)
        if ((graph->flags[n] & NODE_FAULT) && graph_out_degree(graph, n))
            return "an unreadable node has edges";
    return NULL;
}

/* Replays the out-edges in order; each must be the next in-edge of its target. */
static const char *check_in_edges(const struct graph *graph) {
    if (!graph->in_begin || !graph->in_source)
        return "in-edges were not built";
    const char *problem = check_begin(graph->in_begin, graph->node_count, graph->edge_count);
    if (problem)
        return problem;
    struct arena scratch = {0};
    uint32_t *seen = arena_new(&scratch, uint32_t, graph->node_count);
    for (node_id n = 0; n < graph->node_count && !problem; n++)
        for (uint32_t e = graph->out_begin[n]; e < graph->out_begin[n + 1] && !problem; e++) {
            node_id target = graph->out_target[e];
            uint32_t place = graph->in_begin[target] + seen[target]++;
            if (place >= graph->in_begin[target + 1] || graph->in_source[place] != n)
                problem = "in-edges are not the reverse of the out-edges";
        }
    arena_deinit(&scratch);
    return problem;
}

const char *graph_check(const struct graph *graph) {
    if (graph->synthetic_count < 1 || graph->synthetic_count > graph->node_count || graph->node_count == NODE_NONE)
        return "the number of nodes is impossible";
    if (graph->edge_count >= UINT32_MAX)
        return "the number of edges is impossible";
    const char *problem = check_types(graph);
    if (!problem)
        problem = check_nodes(graph);
    if (!problem)
        problem = check_out_edges(graph);
    return problem ? problem : check_in_edges(graph);
}
