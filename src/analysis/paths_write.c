/* A path in the words of a person: Python syntax where it can be, else the root in words. */
#include "analysis/paths.h"

#include <ctype.h>

enum { KEY_SHOWN = 60 }; /* bytes of a key that are shown */

static bool is_identifier(struct span text) {
    if (!text.length || isdigit((unsigned char)text.data[0]))
        return false;
    for (size_t i = 0; i < text.length; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (!isalnum(c) && c != '_' && c < 0x80)
            return false;
    }
    return true;
}

static bool is_number(struct span text) {
    size_t start = text.length > 1 && text.data[0] == '-';
    for (size_t i = start; i < text.length; i++)
        if (!isdigit((unsigned char)text.data[i]))
            return false;
    return text.length > start && text.length < 20;
}

static bool begins_with(struct span text, struct span beginning) {
    return text.length >= beginning.length && memcmp(text.data, beginning.data, beginning.length) == 0;
}

/* Names come from the target or a file of unknown origin: control characters would reach the terminal. */
static void write_safely(struct span text, const char *escaped, struct text *out) {
    for (size_t i = 0; i < text.length; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (c && strchr(escaped, c))
            text_format(out, "\\%c", c);
        else if (c == '\n')
            text_add(out, "\\n");
        else if (c < 0x20 || c == 0x7f)
            text_format(out, "\\x%02x", c);
        else
            text_add_span(out, (struct span){text.data + i, 1});
    }
}

/* In double quotes, long text cut between characters. */
static void write_quoted(struct span key, struct text *out) {
    size_t shown = key.length;
    if (shown > KEY_SHOWN)
        for (shown = KEY_SHOWN; shown > 0 && ((unsigned char)key.data[shown] & 0xc0) == 0x80;)
            shown--;
    text_add(out, "\"");
    write_safely((struct span){key.data, shown}, "\"\\", out);
    text_add(out, shown < key.length ? "...\"" : "\"");
}

static void write_node_name(const struct graph *graph, node_id node, struct text *out) {
    struct arena scratch = {0};
    write_safely(graph->describe.node_name(graph->describe.context, node, &scratch), "", out);
    arena_deinit(&scratch);
}

/* What the step's edge is called, or else its node. */
static struct span step_name(const struct graph *graph, const struct path_step *step, struct arena *arena) {
    if (step->name.text.length)
        return step->name.text;
    return graph->describe.node_name(graph->describe.context, step->node, arena);
}

static void write_thread(struct span name, struct text *out) {
    text_add(out, "thread");
    if (name.length) {
        text_add(out, " ");
        write_quoted(name, out);
    }
}

static void write_static_root(struct span name, struct text *out) {
    bool complete = !name.length || begins_with(name, SPAN("C data"));
    text_add(out, complete ? "<" : "<C data of ");
    write_safely(name.length ? name : SPAN("C data"), "", out);
    text_add(out, ">");
}

static void write_table(struct span name, struct text *out) {
    text_add(out, "<");
    write_safely(name.length ? name : SPAN("interpreter"), "", out);
    text_add(out, ">");
}

/* The object itself, in default of a variable: its own name if it has one, else its type. */
static void write_object(const struct graph *graph, node_id node, struct text *out) {
    size_t before = out->length;
    write_node_name(graph, node, out);
    if (out->length == before)
        text_add_span(out, graph_type_of(graph, node)->name);
}

static void write_entry(const struct graph *graph, bool native, node_id node, struct text *out) {
    text_add(out, native ? "<nobody: held by C code> " : "<nobody: waiting for gc> ");
    write_object(graph, node, out);
}

static void write_root(const struct graph *graph, const struct reach *reach, const struct path_step *step,
                       struct text *out) {
    struct arena scratch = {0};
    struct span name = step_name(graph, step, &scratch);
    if (reach && reach->class_of[step->node] != REACH_LIVE)
        write_entry(graph, reach->class_of[step->node] == REACH_NATIVE, step->node, out);
    else if (step->kind == EDGE_MODULE)
        write_safely(name, "", out);
    else if (step->kind == EDGE_THREAD)
        write_thread(name, out);
    else if (step->kind == EDGE_STATIC)
        write_static_root(name, out);
    else if (step->kind == EDGE_IMMORTAL)
        write_object(graph, step->node, out);
    else
        write_table(name, out);
    arena_deinit(&scratch);
}

static void write_attribute(struct span name, struct text *out) {
    if (is_identifier(name)) {
        text_add(out, ".");
        text_add_span(out, name);
    } else if (name.length) {
        text_add(out, ".<");
        write_safely(name, "", out);
        text_add(out, ">");
    } else {
        text_add(out, ".<unnamed>");
    }
}

static void write_item(const struct path_step *step, struct text *out) {
    text_add(out, "[");
    if (step->folded || (!step->name.text.length && step->name.index < 0))
        text_add(out, "...");
    else if (!step->name.text.length)
        text_format(out, "%lld", (long long)step->name.index);
    else if (is_number(step->name.text))
        text_add_span(out, step->name.text);
    else
        write_quoted(step->name.text, out);
    text_add(out, "]");
}

static void write_key(const struct path_step *step, bool is_variable, struct text *out) {
    if (is_variable && !step->folded && is_identifier(step->name.text)) {
        write_attribute(step->name.text, out);
        return;
    }
    if (is_variable)
        text_add(out, ".__dict__");
    write_item(step, out);
}

/* Sets have no positions that Python would take. */
static void write_index(const struct graph *graph, const struct path_step *step, node_id source, struct text *out) {
    struct span type = graph_type_of(graph, source)->name;
    if (span_is(type, "set") || span_is(type, "frozenset"))
        text_add(out, "[...]");
    else
        write_item(step, out);
}

static void write_local(struct span name, struct text *out) {
    text_add(out, name.length ? " local " : " temporary");
    write_safely(name, "", out);
}

static void write_named_or(struct span name, const char *otherwise, struct text *out) {
    if (name.length)
        write_attribute(name, out);
    else
        text_add(out, otherwise);
}

/* Slots of what is no Python object are words: `thread "main" context`, "<C data of _json.so> dict". */
static void write_slot(const struct graph *graph, const struct path_step *step, node_id source, struct text *out) {
    if (source < graph->synthetic_count) {
        text_add(out, " ");
        if (step->name.text.length)
            write_safely(step->name.text, "", out);
        else
            write_object(graph, step->node, out);
    } else if (step->folded) {
        text_add(out, "[...]");
    } else {
        write_attribute(step->name.text, out);
    }
}

static void write_frame(const struct graph *graph, const struct path_step *step, struct text *out) {
    struct arena scratch = {0};
    text_add(out, " frame ");
    write_safely(step_name(graph, step, &scratch), "", out);
    text_add(out, "()");
    arena_deinit(&scratch);
}

void paths_write_step(const struct graph *graph, const struct reach *reach, const struct path_step *steps,
                      size_t count, size_t index, struct text *out) {
    const struct path_step *step = &steps[index];
    if (index == 0) {
        write_root(graph, reach, step, out);
        return;
    }
    node_id source = steps[index - 1].node;
    switch (step->kind) {
    case EDGE_NAMESPACE:
        if (index + 1 == count || steps[index + 1].kind != EDGE_KEY)
            text_add(out, ".__dict__");
        break;
    case EDGE_KEY: write_key(step, steps[index - 1].kind == EDGE_NAMESPACE, out); break;
    case EDGE_KEY_OBJECT: text_add(out, ".keys()[...]"); break;
    case EDGE_INDEX: write_index(graph, step, source, out); break;
    case EDGE_CELL: text_add(out, ".cell_contents"); break;
    case EDGE_LOCAL: write_local(step->name.text, out); break;
    case EDGE_FRAME: write_frame(graph, step, out); break;
    case EDGE_TYPE: text_add(out, ".__class__"); break;
    case EDGE_GLOBALS: write_named_or(step->name.text, ".__globals__", out); break;
    case EDGE_BASE: write_named_or(step->name.text, ".__bases__", out); break;
    case EDGE_ATTRIBUTE: write_attribute(step->name.text, out); break;
    default: write_slot(graph, step, source, out); break;
    }
}

void paths_write(const struct graph *graph, const struct reach *reach, const struct path_step *steps, size_t count,
                 struct text *out) {
    for (size_t i = 0; i < count; i++)
        paths_write_step(graph, reach, steps, count, i, out);
}
