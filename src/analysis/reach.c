/* Floods the graph from the root, then from what native code holds, then from the fewest nodes that reach the rest. */
#include "analysis/reach.h"

#include "analysis/refcounts.h"

enum { UNSEEN = 3, PROBED = 4, FAR = 24, MIDDLE = 16, NEAR = 8 };

struct flood {
    const struct graph *graph;
    uint8_t *class_of;
    node_id *queue; /* every node is queued at most once per flood */
    struct reach *reach;
};

/* Fetches what the nodes next in the queue will need: the nearer, the further along its chain of loads. */
static void look_ahead(const struct flood *flood, size_t at, size_t end) {
    const struct graph *graph = flood->graph;
    if (at + FAR < end)
        __builtin_prefetch(&graph->out_begin[flood->queue[at + FAR]]);
    if (at + MIDDLE < end)
        __builtin_prefetch(&graph->out_target[graph->out_begin[flood->queue[at + MIDDLE]]]);
    if (at + NEAR >= end)
        return;
    uint32_t edge = graph->out_begin[flood->queue[at + NEAR]];
    for (uint32_t i = 0; i < 3 && edge + i < graph->edge_count; i++)
        __builtin_prefetch(&flood->class_of[graph->out_target[edge + i]], 1);
}

/* Gives `target` to all nodes that are still `from` and can be reached from `start`. */
static void flood_from(struct flood *flood, node_id start, uint8_t from, uint8_t target) {
    const struct graph *graph = flood->graph;
    uint8_t *class_of = flood->class_of;
    node_id *queue = flood->queue;
    size_t end = 0;
    class_of[start] = target;
    queue[end++] = start;
    for (size_t at = 0; at < end; at++) {
        look_ahead(flood, at, end);
        uint32_t last = graph->out_begin[queue[at] + 1];
        for (uint32_t edge = graph->out_begin[queue[at]]; edge < last; edge++) {
            node_id next = graph->out_target[edge];
            if (class_of[next] != from)
                continue;
            class_of[next] = target;
            queue[end++] = next;
        }
    }
}

static bool has_hidden_reference(const struct graph *graph, node_id node) {
    return refcounts_surplus(graph, node) > 0;
}

static uint32_t count_native_entries(const struct flood *flood) {
    uint32_t count = 0;
    for (node_id node = 0; node < flood->graph->node_count; node++)
        count += flood->class_of[node] == UNSEEN && has_hidden_reference(flood->graph, node);
    return count;
}

/* Floods what is unseen in node order and lists where each flood began, in `starts`. The first node of every
 * component without a way into it is among the starts, and every other start is reached from a later one. */
static uint32_t probe_unseen(struct flood *flood, struct arena *scratch, node_id **starts) {
    uint32_t count = 0, unseen = 0;
    for (node_id node = 0; node < flood->graph->node_count; node++)
        unseen += flood->class_of[node] == UNSEEN;
    *starts = arena_new(scratch, node_id, unseen);
    for (node_id node = 0; unseen && node < flood->graph->node_count; node++)
        if (flood->class_of[node] == UNSEEN) {
            (*starts)[count++] = node;
            flood_from(flood, node, UNSEEN, PROBED);
        }
    return count;
}

/* From the last start to the first, those that no later one reached: the fewest that suffice. They are moved
 * to the front of `starts`, last one first. */
static uint32_t keep_needed(struct flood *flood, node_id *starts, uint32_t count) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < count / 2; i++) {
        node_id swapped = starts[i];
        starts[i] = starts[count - 1 - i];
        starts[count - 1 - i] = swapped;
    }
    for (uint32_t i = 0; i < count; i++) {
        node_id node = starts[i];
        if (flood->class_of[node] != PROBED)
            continue;
        flood_from(flood, node, PROBED, REACH_GARBAGE);
        starts[kept++] = node;
    }
    return kept;
}

static void list_native_entries(struct flood *flood, node_id *entries) {
    uint32_t count = 0;
    for (node_id node = 0; count < flood->reach->native_entry_count; node++)
        if (flood->class_of[node] == UNSEEN && has_hidden_reference(flood->graph, node))
            entries[count++] = node;
}

static void sum_classes(const struct flood *flood) {
    const struct graph *graph = flood->graph;
    for (node_id node = graph->synthetic_count; node < graph->node_count; node++) {
        flood->reach->objects[flood->class_of[node]]++;
        flood->reach->bytes[flood->class_of[node]] += graph->sizes[node];
    }
}

void reach_compute(const struct graph *graph, struct arena *arena, struct reach *out) {
    struct arena scratch = {0};
    *out = (struct reach){0};
    struct flood flood = {graph, arena_new(arena, uint8_t, graph->node_count),
                          arena_new(&scratch, node_id, graph->node_count), out};
    memset(flood.class_of, UNSEEN, graph->node_count);
    flood_from(&flood, NODE_ROOT, UNSEEN, REACH_LIVE);

    out->native_entry_count = count_native_entries(&flood);
    node_id *native = arena_new(&scratch, node_id, out->native_entry_count);
    list_native_entries(&flood, native);
    for (uint32_t i = 0; i < out->native_entry_count; i++)
        if (flood.class_of[native[i]] == UNSEEN)
            flood_from(&flood, native[i], UNSEEN, REACH_NATIVE);

    node_id *starts;
    uint32_t started = probe_unseen(&flood, &scratch, &starts);
    uint32_t needed = keep_needed(&flood, starts, started);

    out->entry_count = out->native_entry_count + needed;
    node_id *entries = arena_new(arena, node_id, out->entry_count);
    if (out->native_entry_count)
        memcpy(entries, native, out->native_entry_count * sizeof *entries);
    for (uint32_t i = 0; i < needed; i++)
        entries[out->native_entry_count + i] = starts[needed - 1 - i];
    out->entries = entries;
    out->class_of = flood.class_of;
    sum_classes(&flood);
    arena_deinit(&scratch);
}
