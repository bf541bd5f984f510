/* caulk top: what is in a heap, by type and by holder. */
#include "analysis/census.h"
#include "app/command.h"
#include "app/tables.h"

#include <stdlib.h>

static const struct option_rule options[] = {
    {"by", 'b', OPTION_TEXT, COMMAND_OPTION(by), "ORDER", "retained, bytes or count (bytes)", 0, 0},
    {"limit", 'l', OPTION_WHOLE, COMMAND_OPTION(limit), "N", "rows of each table (20)", 1, 1000000},
    {"json", 0, OPTION_TEXT, COMMAND_OPTION(json), "FILE", "write JSON; - for standard output", 0, 0},
    {"pause", 0, OPTION_FLAG, COMMAND_OPTION(pause), NULL, "copy while stopped, do not fork a picture", 0, 0},
    {"types", 0, OPTION_TEXT, COMMAND_OPTION(types), "FILE", "C types that FILE describes (~/.config/caulk/types)", 0, 0},
    {0},
};

static int compare(uint64_t a, uint64_t b) {
    return (a < b) - (a > b);
}
static int by_retained(const void *a, const void *b) {
    return compare(((const struct census_row *)a)->retained, ((const struct census_row *)b)->retained);
}
static int by_bytes(const void *a, const void *b) {
    return compare(((const struct census_row *)a)->bytes, ((const struct census_row *)b)->bytes);
}
static int by_count(const void *a, const void *b) {
    return compare(((const struct census_row *)a)->count, ((const struct census_row *)b)->count);
}

static const struct {
    const char *name;
    int (*compare)(const void *, const void *);
} orders[] = {{"retained", by_retained}, {"bytes", by_bytes}, {"count", by_count}};

static struct error *find_order(const char *name, int (**out)(const void *, const void *)) {
    for (size_t i = 0; i < sizeof orders / sizeof *orders; i++)
        if (strcmp(orders[i].name, name) == 0) {
            *out = orders[i].compare;
            return NULL;
        }
    return error_create(STATUS_USAGE, "top: --by takes retained, bytes or count, not \"%s\"", name);
}

static void fill_types(struct stage *stage, int (*order)(const void *, const void *), size_t limit,
                       struct table_top *out) {
    const struct graph *graph = &stage->heap->graph;
    struct census census;
    census_compute(graph, &stage->dominators, &stage->arena, &census);
    qsort(census.rows, census.count, sizeof *census.rows, order);
    size_t count = 0;
    struct table_type *rows = arena_new(&stage->arena, struct table_type, census.count + 1);
    for (size_t i = 0; i < census.count; i++) {
        const struct graph_type *type = &graph->types[census.rows[i].type];
        if (type->role >= ROLE_THREAD || !census.rows[i].count)
            continue;
        if (count == limit) {
            out->types_left_out++;
            continue;
        }
        rows[count++] = (struct table_type){tables_qualified(type->module, type->name, &stage->arena),
                                            census.rows[i].count, census.rows[i].bytes, census.rows[i].retained};
    }
    out->types = rows;
    out->type_count = count;
}

static void fill_holders(struct stage *stage, size_t limit, struct table_top *out) {
    const struct graph *graph = &stage->heap->graph;
    node_id *nodes;
    struct path_names names = {0};
    size_t count = holders_find(stage, limit, &stage->arena, &nodes);
    struct table_holder *rows = arena_new(&stage->arena, struct table_holder, count + 1);
    for (size_t i = 0; i < count; i++) {
        struct node_facts facts;
        graph->describe.node_facts(graph->describe.context, nodes[i], &facts, &stage->arena);
        rows[i] = (struct table_holder){
            .path = tables_path(stage, nodes[i], &names, &stage->arena),
            .type = tables_type_name(graph, nodes[i], &stage->arena),
            .address = graph->addresses[nodes[i]],
            .entries = facts.length > 0 ? (uint64_t)facts.length : 0,
            .retained = stage->dominators.retained[nodes[i]],
        };
    }
    path_names_deinit(&names);
    out->holders = rows;
    out->holder_count = count;
}

/* What lives, by the line that allocated it, if the process has a recording. */
static void fill_lines(struct stage *stage, size_t limit, struct table_top *out) {
    size_t count;
    if (!stage->sampling)
        return;
    const struct samples *samples = stage->sampling->samples;
    const struct samples_line *lines = samples_lines(samples, &stage->arena, &count);
    struct table_line *rows = arena_new(&stage->arena, struct table_line, count + 1);
    for (size_t i = 0; i < count && out->line_count < limit && lines[i].amounts.live_bytes; i++)
        if (lines[i].line)
            rows[out->line_count++] = (struct table_line){
                .file = arena_copy_text(&stage->arena, lines[i].file.data, lines[i].file.length),
                .function = arena_copy_text(&stage->arena, lines[i].function.data, lines[i].function.length),
                .line = lines[i].line,
                .extent = lines[i].extent,
                .live_bytes = lines[i].amounts.live_bytes,
                .live_count = lines[i].amounts.live_count,
            };
    out->lines = rows;
    out->lines_exact = samples->exact;
}

static struct error *print(const struct table_top *table, const char *json) {
    if (!json) {
        report_top_text(table, stdout, output_colour());
        return NULL;
    }
    struct output output;
    TRY(output_open(json, &output));
    report_top_json(table, output.file);
    return output_close(&output);
}

static struct error *run(const struct choices *choices, int *status_out) {
    (void)status_out;
    int (*order)(const void *, const void *) = by_bytes;
    struct stage stage;
    struct table_top table = {0};
    TRY(find_order(choices->by, &order));
    TRY(stage_open_target(&stage, choices));
    tables_snapshot(stage.heap, &table.snapshot);
    fill_types(&stage, order, (size_t)choices->limit, &table);
    fill_holders(&stage, (size_t)choices->limit, &table);
    fill_lines(&stage, (size_t)choices->limit, &table);
    struct error *error = print(&table, choices->json);
    stage_close(&stage);
    return error;
}

const struct command command_top = {
    .name = "top",
    .summary = "what is in a heap, by type and by holder",
    .operands = "PID | FILE.caulk | CORE",
    .details = "Two tables: how many objects of each type there are and what they retain, and which objects hold\n"
               "most, by the path that leads to them. Retained is what would go away with the object; an object\n"
               "that two others share is retained by neither.",
    .examples = "  caulk top 4121\n"
                "  caulk top monday.caulk --by retained --limit 50\n"
                "  caulk top 4121 --json - | jq '.types[0]'\n",
    .options = options,
    .defaults = {.limit = 20, .by = "bytes"},
    .operands_least = 1,
    .operands_most = 1,
    .run = run,
};
