/* Does an expression of some code mean the holder? The path of the holder against the names in the code. */
#include "diagnosis/written.h"

/* Methods that put nothing into what they are called on, and functions that only look at their arguments. */
static const char *const readers[] = {
    "get", "items", "keys", "values", "pop", "popitem", "popleft", "remove", "discard", "clear", "copy", "index",
    "count", "sort", "reverse", "join", "split", "strip", "format", "encode", "decode", "startswith", "endswith",
    "close", "is_alive", "qsize", "empty", "full", "get_nowait", "acquire", "release", "cancel", "done",
    "result", "cache_clear", "cache_info", "len", "list", "tuple", "set", "dict", "sorted", "iter", "enumerate",
    "sum", "max", "min", "any", "all", "print", "str", "repr", "isinstance", "issubclass", "hasattr", "getattr", "id",
    "bool", "type", "next", "range", "zip", "map", "filter", "reversed", "frozenset", "dumps", "difference", "union",
};

static const char *const writers[] = {
    "append", "appendleft", "add", "setdefault", "update", "extend", "extendleft", "insert", "put", "put_nowait",
    "push", "heappush", "insort", "insort_left", "insort_right", "register", "connect", "subscribe", "set", "send",
    "__setitem__", "setattr", "addHandler", "addFilter", "add_done_callback", "write", "intern",
};

static bool is_one_of(struct span name, const char *const *list, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (span_is(name, list[i]))
            return true;
    return false;
}
#define IS_ONE_OF(name, list) is_one_of(name, list, sizeof(list) / sizeof *(list))

/* --- the pattern --- */

static struct span name_of_step(const struct candidate *candidate, const struct path_step *step, bool in_namespace,
                                struct arena *arena) {
    const struct graph_describe *describe = &candidate->graph->describe;
    switch (step->kind) {
    case EDGE_KEY: return in_namespace ? step->name.text : (struct span){0};
    case EDGE_INDEX:
    case EDGE_KEY_OBJECT: return (struct span){0};
    case EDGE_MODULE:
    case EDGE_THREAD:
    case EDGE_FRAME:
        return step->name.text.length ? step->name.text : describe->node_name(describe->context, step->node, arena);
    default: return step->name.text;
    }
}

/* Whether the step leads from a function to what only its own code reaches by a name. */
static bool is_of_function(const struct candidate *candidate, size_t i) {
    const struct path_step *step = &candidate->steps[i];
    if (i == 0 || graph_type_of(candidate->graph, candidate->steps[i - 1].node)->role != ROLE_FUNCTION)
        return false;
    return span_is(step->name.text, "__defaults__") || span_is(step->name.text, "__kwdefaults__") ||
           span_is(step->name.text, "__closure__");
}

static void add_part(struct written_pattern *pattern, struct written_part part) {
    if (pattern->count == WRITTEN_PARTS_MOST) {
        memmove(pattern->parts, pattern->parts + 1, sizeof *pattern->parts * (WRITTEN_PARTS_MOST - 1));
        pattern->count--;
    }
    pattern->parts[pattern->count++] = part;
}

void written_pattern_make(const struct candidate *candidate, struct arena *arena, struct written_pattern *out) {
    *out = (struct written_pattern){.module_names = NODE_NONE, .function = NODE_NONE};
    bool in_namespace = false;
    for (size_t i = 0; i < candidate->step_count; i++) {
        const struct path_step *step = &candidate->steps[i];
        bool was_in_namespace = in_namespace;
        in_namespace = step->kind == EDGE_NAMESPACE;
        if (in_namespace && i == 1 && candidate->steps[0].kind == EDGE_MODULE)
            out->module_names = step->node;
        if (is_of_function(candidate, i)) {
            out->function = candidate->steps[i - 1].node;
            out->captured = span_is(step->name.text, "__closure__");
        }
        if (in_namespace || step->kind == EDGE_CELL)
            continue;
        add_part(out, (struct written_part){name_of_step(candidate, step, was_in_namespace, arena), step->node,
                                            step->kind});
    }
}

static bool is_item(const struct written_part *part) {
    return !part->name.length;
}

struct span written_pattern_name(const struct written_pattern *pattern) {
    for (size_t i = pattern->count; i-- > 1;)
        if (!is_item(&pattern->parts[i]))
            return pattern->parts[i].name;
    return (struct span){0};
}

bool written_pattern_shorten(struct written_pattern *pattern) {
    size_t count = pattern->count;
    while (count > 0 && is_item(&pattern->parts[count - 1]))
        count--;
    pattern->count = count ? count - 1 : 0;
    return written_pattern_name(pattern).length > 0;
}

/* --- a write against it --- */

/* The expression, the attribute that is set included. */
struct expression {
    struct span parts[CODE_PARTS_MOST + 1];
    size_t count;
};

static void take_expression(const struct code_write *write, bool with_method, struct expression *out) {
    out->count = write->part_count;
    memcpy(out->parts, write->parts, sizeof *write->parts * write->part_count);
    if (with_method)
        out->parts[out->count++] = write->method;
}

/* "sessions" for shop.sessions, which is what an import makes of it. */
static bool is_module_name(const struct written_part *part, struct span name) {
    if (part->kind != EDGE_MODULE || part->name.length < name.length)
        return false;
    const char *tail = part->name.data + part->name.length - name.length;
    return memcmp(tail, name.data, name.length) == 0 && (tail == part->name.data || tail[-1] == '.');
}

static struct span after_last_dot(struct span name) {
    const char *dot = name.length ? memrchr(name.data, '.', name.length) : NULL;
    return dot ? (struct span){dot + 1, (size_t)(name.data + name.length - dot - 1)} : name;
}

/* "Basket.put" is a method of the class that is called Basket; the object may be the class itself. */
static bool is_method_of(const struct candidate *candidate, struct span function, node_id object, struct arena *arena) {
    const struct graph *graph = candidate->graph;
    const struct graph_type *type = graph_type_of(graph, object);
    struct span class = type->role == ROLE_TYPE ? graph->describe.node_name(graph->describe.context, object, arena)
                                                : type->name;
    const char *dot = function.length ? memrchr(function.data, '.', function.length) : NULL;
    if (!dot)
        return false;
    struct span before = {function.data, (size_t)(dot - function.data)};
    return span_equal(after_last_dot(before), after_last_dot(class));
}

struct match {
    int names, skipped;
    bool at_module, at_class;
};

/* Backwards from the ends: names must be equal, an item may be missing on either side; a local variable at the begin
 * may stand for anything. */
static bool match_parts(const struct candidate *candidate, const struct written_pattern *pattern,
                        const struct written_place *place, const struct code_write *write,
                        const struct expression *expression, struct arena *arena, struct match *out) {
    size_t i = pattern->count, j = expression->count;
    *out = (struct match){0};
    while (i > 0 && j > 0) {
        const struct written_part *part = &pattern->parts[i - 1];
        struct span name = expression->parts[j - 1];
        bool variable = j == 1 && write->root != CODE_GLOBAL && out->names > 0;
        if (variable && !span_equal(part->name, name)) {
            out->at_class = is_method_of(candidate, place->function, part->node, arena);
            return true;
        }
        if (is_item(part) != !name.length) {
            out->skipped++;
            i -= is_item(part);
            j -= !name.length;
            continue;
        }
        if (!span_equal(part->name, name) && !is_module_name(part, name))
            return false;
        out->names += name.length > 0;
        i--;
        j--;
    }
    bool global = write->root == CODE_GLOBAL && j == 0;
    out->at_module = global && i == 1 && pattern->parts[0].kind == EDGE_MODULE && place->globals != NODE_NONE &&
                     place->globals == pattern->module_names;
    return out->names > 0 && j == 0;
}

static int score_how(const struct candidate *candidate, const struct code_write *write) {
    const struct graph_type *type = candidate_holder_type(candidate);
    switch (write->how) {
    case CODE_ITEM: return 4;
    case CODE_INPLACE: return 3;
    case CODE_ATTRIBUTE: return 2;
    case CODE_CALL: return type && type->role == ROLE_CACHE ? 5 : 0;
    case CODE_METHOD:
    case CODE_ARGUMENT:
        if (IS_ONE_OF(write->method, readers))
            return 0;
        if (IS_ONE_OF(write->method, writers))
            return write->how == CODE_METHOD ? 4 : 3;
        return 1;
    }
    return 0;
}

/* The variables of a function's own: nothing else has them. */
static int score_in_function(const struct written_pattern *pattern, const struct code_write *write, int how) {
    bool root = pattern->captured ? write->root == CODE_FREE : write->root == CODE_LOCAL;
    return root && write->part_count == 1 && how >= 3 ? 20 + how : 0;
}

int written_score(const struct candidate *candidate, const struct written_pattern *pattern,
                  const struct written_place *place, const struct code_write *write, struct arena *arena) {
    struct expression expression;
    struct match match;
    int how = score_how(candidate, write);
    if (!how)
        return 0;
    if (pattern->function != NODE_NONE)
        return score_in_function(pattern, write, how);
    take_expression(write, write->how == CODE_ATTRIBUTE, &expression);
    if (!match_parts(candidate, pattern, place, write, &expression, arena, &match))
        return 0;
    return match.names * 4 + how * 2 + match.at_module * 8 + match.at_class * 6 - match.skipped * 3;
}
