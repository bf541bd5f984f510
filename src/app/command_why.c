/* caulk why: who holds it. Paths from the roots to objects of a type, at an address or with a name. */
#include "app/command.h"
#include "app/tables.h"
#include "base/vector.h"
#include "diagnosis/allocated.h"

#include <stdlib.h>

static const struct option_rule options[] = {
    {"limit", 'l', OPTION_WHOLE, COMMAND_OPTION(limit), "N", "examples that are shown (3)", 1, 10000},
    {"json", 0, OPTION_TEXT, COMMAND_OPTION(json), "FILE", "write JSON; - for standard output", 0, 0},
    {"pause", 0, OPTION_FLAG, COMMAND_OPTION(pause), NULL, "copy while stopped, do not fork a picture", 0, 0},
    {"types", 0, OPTION_TEXT, COMMAND_OPTION(types), "FILE", "C types that FILE describes (~/.config/caulk/types)", 0, 0},
    {0},
};

/* The matching nodes that retain most, sorted, and how many there are in all. */
struct matches {
    node_id *best;
    size_t count, limit;
    uint64_t total;
    struct vector lines; /* struct weighed_line of those that the sampler knows */
};

static const struct samples_block *block_of(const struct stage *stage, node_id node) {
    uint64_t address = stage->heap->graph.addresses[node];
    const struct samples_block *block =
        stage->sampling && address ? samples_find(stage->sampling->samples, address) : NULL;
    return block && block->stack < stage->sampling->samples->stack_count ? block : NULL;
}

static uint32_t frame_of(const struct stage *stage, const struct samples_block *block) {
    return block ? allocated_frame(stage->sampling->samples, block->stack) : SAMPLES_NONE;
}

static void add_line(const struct stage *stage, node_id node, struct matches *out) {
    const struct samples_block *block = block_of(stage, node);
    uint32_t frame = frame_of(stage, block);
    if (frame != SAMPLES_NONE)
        *vector_push(&out->lines, struct weighed_line) =
            (struct weighed_line){frame, block->stack, block->weight * (double)block->size,
                                  block->weight * (double)block->size};
}

/* Among those that retain as much, one whose birth is known is the better example. */
static uint64_t worth(const struct stage *stage, node_id node) {
    return 2 * stage->dominators.retained[node] + (block_of(stage, node) != NULL);
}

static void add_match(const struct stage *stage, node_id node, struct matches *out) {
    uint64_t own = worth(stage, node);
    out->total++;
    add_line(stage, node, out);
    if (out->count == out->limit && worth(stage, out->best[out->limit - 1]) >= own)
        return;
    size_t at = out->count < out->limit ? out->count++ : out->limit - 1;
    for (; at > 0 && worth(stage, out->best[at - 1]) < own; at--)
        out->best[at] = out->best[at - 1];
    out->best[at] = node;
}

static bool type_matches(const struct graph_type *type, const char *what, struct arena *arena) {
    return span_is(type->name, what) || strcmp(tables_qualified(type->module, type->name, arena), what) == 0;
}

static void match_type(struct stage *stage, const char *what, struct matches *out) {
    const struct graph *graph = &stage->heap->graph;
    bool *matching = arena_new(&stage->arena, bool, graph->type_count + 1);
    for (uint32_t type = 0; type < graph->type_count; type++)
        matching[type] = type_matches(&graph->types[type], what, &stage->arena);
    for (node_id node = graph->synthetic_count; node < graph->node_count; node++)
        if (matching[graph->type_of[node]])
            add_match(stage, node, out);
}

static bool has_name(uint32_t role) {
    return role == ROLE_MODULE || role == ROLE_TYPE || role == ROLE_FUNCTION || role == ROLE_CODE ||
           role >= ROLE_THREAD;
}

/* Modules, classes, functions and threads by what they are called. */
static void match_name(struct stage *stage, const char *what, struct matches *out) {
    const struct graph *graph = &stage->heap->graph;
    struct arena scratch = {0};
    for (node_id node = 1; node < graph->node_count; node++) {
        if (!has_name(graph_type_of(graph, node)->role))
            continue;
        if (span_is(graph->describe.node_name(graph->describe.context, node, &scratch), what))
            add_match(stage, node, out);
    }
    arena_deinit(&scratch);
}

static node_id find_module(struct stage *stage, struct span name) {
    const struct graph *graph = &stage->heap->graph;
    for (node_id node = 1; node < graph->node_count; node++)
        if (graph_type_of(graph, node)->role == ROLE_MODULE &&
            span_equal(graph->describe.node_name(graph->describe.context, node, &stage->arena), name))
            return node;
    return NODE_NONE;
}

/* The target of the attribute or key `name` of `node`, also through its __dict__. */
static node_id follow(struct stage *stage, node_id node, struct span name) {
    const struct graph *graph = &stage->heap->graph;
    for (int level = 0; level < 2; level++) {
        uint32_t begin = graph->out_begin[node], count = graph_out_degree(graph, node);
        struct edge_name *names = arena_new(&stage->arena, struct edge_name, count + 1);
        graph->describe.edge_names(graph->describe.context, node, names, &stage->arena);
        node_id namespace = NODE_NONE;
        for (uint32_t i = 0; i < count; i++) {
            uint8_t kind = graph->out_kind[begin + i];
            if (kind == EDGE_NAMESPACE)
                namespace = graph->out_target[begin + i];
            else if ((kind == EDGE_KEY || kind == EDGE_ATTRIBUTE || kind == EDGE_SLOT) &&
                     span_equal(names[i].text, name))
                return graph->out_target[begin + i];
        }
        if (namespace == NODE_NONE)
            return NODE_NONE;
        node = namespace;
    }
    return NODE_NONE;
}

/* "shop.sessions.STORE": the longest module, then one attribute after another. */
static node_id find_dotted(struct stage *stage, const char *what) {
    struct span all = span_from_text(what), rest;
    node_id node = NODE_NONE;
    size_t length = all.length;
    while (length > 0 && node == NODE_NONE) {
        while (length > 0 && all.data[--length] != '.')
            continue;
        if (length > 0)
            node = find_module(stage, (struct span){all.data, length});
    }
    rest = (struct span){all.data + length, all.length - length};
    while (node != NODE_NONE && rest.length) {
        const char *begin = rest.data + 1;
        const char *dot = memchr(begin, '.', rest.length - 1);
        size_t name_length = dot ? (size_t)(dot - begin) : rest.length - 1;
        node = follow(stage, node, (struct span){begin, name_length});
        rest = (struct span){begin + name_length, rest.length - 1 - name_length};
    }
    return node;
}

static void match_address(struct stage *stage, const char *what, struct matches *out) {
    char *end;
    uint64_t address = strtoull(what, &end, 16);
    node_id node = *end ? NODE_NONE : graph_find_address(&stage->heap->graph, address);
    if (node != NODE_NONE)
        add_match(stage, node, out);
}

static struct error *find_matches(struct stage *stage, const char *what, struct matches *out) {
    if (strncmp(what, "0x", 2) == 0)
        match_address(stage, what, out);
    else if (*what)
        match_type(stage, what, out);
    if (!out->total && *what)
        match_name(stage, what, out);
    if (!out->total) {
        node_id node = find_dotted(stage, what);
        if (node != NODE_NONE)
            add_match(stage, node, out);
    }
    if (!out->total)
        return error_create(STATUS_USAGE, "why: no type, address, module or dotted name \"%s\" in this heap", what);
    return NULL;
}

static const char *step_words(struct stage *stage, const struct path_step *steps, size_t count, size_t index) {
    struct text text = {0};
    paths_write_step(&stage->heap->graph, &stage->reach, steps, count, index, &text);
    const char *words = arena_copy_text(&stage->arena, text_get(&text), text.length);
    text_deinit(&text);
    return words;
}

static void fill_birth(struct stage *stage, node_id node, struct table_path *out) {
    const struct samples_block *block = block_of(stage, node);
    uint32_t index = frame_of(stage, block);
    out->age = -1;
    if (index == SAMPLES_NONE)
        return;
    const struct wire_head *head = &stage->sampling->samples->head;
    const struct samples_frame *frame = &stage->sampling->samples->frames[index];
    out->born = (struct table_line){
        .file = arena_copy_text(&stage->arena, frame->file.data, frame->file.length),
        .function = arena_copy_text(&stage->arena, frame->function.data, frame->function.length),
        .line = frame->line,
        .extent = frame->extent,
    };
    double now = stage->heap->facts.taken_at - (double)head->started / 1e9;
    if (now >= block->born / 1e3)
        out->age = now - block->born / 1e3;
}

static void fill_lines(struct stage *stage, struct matches *matches, struct table_why *out) {
    enum { LINES_MOST = 5 };
    struct source_line *lines;
    if (!matches->lines.count)
        return;
    size_t count = allocated_lines(stage->sampling->samples, matches->lines.items, matches->lines.count, LINES_MOST,
                                   &stage->arena, &lines);
    struct table_line *rows = arena_new(&stage->arena, struct table_line, count + 1);
    for (size_t i = 0; i < count; i++)
        rows[i] = (struct table_line){.file = lines[i].file, .function = lines[i].function,
                                      .line = (uint32_t)lines[i].line, .extent = lines[i].extent,
                                      .share = lines[i].share};
    out->lines = rows;
    out->line_count = count;
    out->sampled = matches->lines.count;
}

static void fill_path(struct stage *stage, node_id node, struct table_path *out) {
    const struct graph *graph = &stage->heap->graph;
    struct path_step *steps;
    size_t count = paths_steps(graph, &stage->paths, node, &stage->arena, &steps);
    struct table_step *rows = arena_new(&stage->arena, struct table_step, count + 1);
    for (size_t i = 0; i < count; i++) {
        const char *words = step_words(stage, steps, count, i);
        if (!*words && i + 1 < count) /* a namespace: nothing that a person would write */
            continue;
        rows[out->step_count++] = (struct table_step){words, tables_type_name(graph, steps[i].node, &stage->arena),
                                                      graph->addresses[steps[i].node]};
    }
    fill_birth(stage, node, out);
    out->path = tables_path(stage, node, NULL, &stage->arena);
    out->steps = rows;
    out->retained = stage->dominators.retained[node];
}

static struct error *print(const struct table_why *table, const char *json) {
    if (!json) {
        report_why_text(table, stdout, output_colour());
        return NULL;
    }
    struct output output;
    TRY(output_open(json, &output));
    report_why_json(table, output.file);
    return output_close(&output);
}

static struct error *run(const struct choices *choices, int *status_out) {
    (void)status_out;
    struct stage stage;
    const char *what = choices->operands[1];
    TRY(stage_open_target(&stage, choices));
    struct matches matches = {.limit = (size_t)choices->limit};
    matches.best = arena_new(&stage.arena, node_id, matches.limit);
    struct error *error = find_matches(&stage, what, &matches);
    if (!error) {
        struct table_path *rows = arena_new(&stage.arena, struct table_path, matches.count);
        for (size_t i = 0; i < matches.count; i++)
            fill_path(&stage, matches.best[i], &rows[i]);
        struct table_why table = {
            .what = what, .matches = matches.total, .paths = rows, .path_count = matches.count};
        fill_lines(&stage, &matches, &table);
        tables_snapshot(stage.heap, &table.snapshot);
        error = print(&table, choices->json);
    }
    vector_deinit(&matches.lines);
    stage_close(&stage);
    return error;
}

const struct command command_why = {
    .name = "why",
    .summary = "who holds the objects of a type, at an address, with a name",
    .operands = "PID|FILE.caulk|CORE TYPE|ADDRESS|NAME",
    .details = "Shows the best path from a root to the matching objects that retain most. A type is written with or\n"
               "without its module; a name is a module, function, thread or dotted path (shop.sessions.STORE).",
    .examples = "  caulk why 4121 shop.sessions.Session\n"
                "  caulk why monday.caulk 0x7f51c0a81d40\n"
                "  caulk why 4121 shop.sessions.STORE\n",
    .options = options,
    .defaults = {.limit = 3},
    .operands_least = 2,
    .operands_most = 2,
    .run = run,
};
