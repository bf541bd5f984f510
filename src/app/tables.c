/* Words and totals that all tables share. */
#include "app/tables.h"

void tables_snapshot(const struct heap *heap, struct table_snapshot *out) {
    const struct graph *graph = &heap->graph;
    *out = (struct table_snapshot){
        .pid = heap->facts.pid,
        .python = heap->facts.python,
        .executable = heap->facts.executable,
        .pause_ms = heap->facts.pause_ms,
        .copy_ms = heap->facts.copy_ms,
        .gc_objects = heap->facts.gc_objects,
        .objects = graph->node_count - graph->synthetic_count,
        .references = graph->edge_count,
        .faults = heap->facts.faults,
        .gc_enabled = heap->facts.gc_enabled,
    };
    for (node_id node = graph->synthetic_count; node < graph->node_count; node++)
        out->bytes += graph->sizes[node];
    struct arena scratch = {0};
    struct refcounts refcounts;
    refcounts_compute(graph, &scratch, &refcounts);
    out->counts_checked = refcounts.checked;
    out->counts_explained = refcounts.exact;
    arena_deinit(&scratch);
}

const char *tables_qualified(struct span module, struct span name, struct arena *arena) {
    if (!module.length || span_is(module, "builtins"))
        return arena_copy_text(arena, name.data, name.length);
    return arena_format(arena, "%.*s.%.*s", (int)module.length, module.data, (int)name.length, name.data);
}

const char *tables_type_name(const struct graph *graph, node_id node, struct arena *arena) {
    const struct graph_type *type = graph_type_of(graph, node);
    return tables_qualified(type->module, type->name, arena);
}

const char *tables_path(const struct stage *stage, node_id node, struct path_names *names, struct arena *arena) {
    struct path_step *steps;
    struct text text = {0};
    size_t count = paths_steps_of_many(&stage->heap->graph, &stage->paths, node, names, arena, &steps);
    paths_write(&stage->heap->graph, &stage->reach, steps, count, &text);
    const char *path = arena_copy_text(arena, text_get(&text), text.length);
    text_deinit(&text);
    return path;
}
