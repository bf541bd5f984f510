/* Reads the drawing into lists of nodes and edges, then sorts both into the arrays of a graph. */
#include "support/drawn_graph.h"

#include "base/text.h"
#include "base/vector.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

struct drawn_node {
    const char *label, *name;
    uint32_t type;
    uint64_t size;
    int64_t refcount; /* -1 not given */
    struct node_facts facts;
    bool length_given, library;
    uint32_t flags;
    node_id id;
};

struct drawn_edge {
    uint32_t source, target; /* positions in the list of nodes */
    enum edge_kind kind;
    struct edge_name name;
};

struct drawn_words {
    const struct graph *graph;
    struct drawn_node **nodes; /* by node_id */
    struct edge_name *edges;   /* by edge index */
};

struct drawer {
    const char *text, *at;
    struct arena *arena;
    struct vector nodes, edges, types;
};

static const struct {
    const char *word;
    enum node_role role;
} role_words[] = {
    {"object", ROLE_OBJECT},         {"module", ROLE_MODULE},       {"type", ROLE_TYPE},
    {"function", ROLE_FUNCTION},     {"method", ROLE_METHOD},       {"code", ROLE_CODE},
    {"frame", ROLE_FRAME},           {"generator", ROLE_FRAME},     {"coroutine", ROLE_FRAME},
    {"traceback", ROLE_TRACEBACK},   {"dict", ROLE_DICT},           {"list", ROLE_SEQUENCE},
    {"tuple", ROLE_SEQUENCE},        {"set", ROLE_SEQUENCE},        {"frozenset", ROLE_SEQUENCE},
    {"deque", ROLE_SEQUENCE},        {"lru_cache", ROLE_CACHE},     {"weakref", ROLE_WEAKREF},
    {"cell", ROLE_CELL},             {"str", ROLE_TEXT},            {"bytes", ROLE_TEXT},
    {"int", ROLE_TEXT},              {"float", ROLE_TEXT},          {"thread", ROLE_THREAD},
    {"activation", ROLE_ACTIVATION}, {"table", ROLE_TABLE},         {"root", ROLE_ROOT},
};

static const char *const kind_words[EDGE_KIND_COUNT] = {
    "slot", "type",  "attribute", "namespace", "key",    "keyobject", "index",       "cell",   "local",
    "globals", "base", "module",    "thread",    "frame", "interpreter", "static", "immortal",
};

static const char *const flag_words[] = {"collected", "permanent", "immortal", "fault", "static", "user", "library"};

static _Noreturn void give_up(const struct drawer *drawer, const char *what) {
    fprintf(stderr, "drawing: %s at \"%.40s\" of \"%s\"\n", what, drawer->at ? drawer->at : "", drawer->text);
    exit(1);
}

static void skip_spaces(struct drawer *drawer) {
    while (*drawer->at == ' ' || *drawer->at == '\t')
        drawer->at++;
}

static bool is_word_character(char c) {
    return isalnum((unsigned char)c) || c == '_' || c == '.';
}

/* A word, or what is between quotes. "<" only begins a word, so that "a<128" is a bound. */
static const char *read_word(struct drawer *drawer) {
    const char *begin = drawer->at;
    if (*begin == '\'' || *begin == '"') {
        const char *end = strchr(begin + 1, *begin);
        if (!end)
            give_up(drawer, "a quote without its end");
        drawer->at = end + 1;
        return arena_copy_text(drawer->arena, begin + 1, (size_t)(end - begin - 1));
    }
    if (*begin == '<') {
        while (*drawer->at && *drawer->at++ != '>')
            ;
    } else {
        while (is_word_character(*drawer->at))
            drawer->at++;
    }
    if (drawer->at == begin)
        give_up(drawer, "a word was expected");
    return arena_copy_text(drawer->arena, begin, (size_t)(drawer->at - begin));
}

static uint64_t read_number(struct drawer *drawer) {
    char *end;
    uint64_t number = strtoull(drawer->at, &end, 0);
    if (end == drawer->at)
        give_up(drawer, "a number was expected");
    drawer->at = end;
    return number;
}

static enum node_role role_of_word(const char *word) {
    for (size_t i = 0; i < sizeof role_words / sizeof *role_words; i++)
        if (strcmp(word, role_words[i].word) == 0)
            return role_words[i].role;
    return ROLE_OBJECT;
}

static uint32_t add_type(struct drawer *drawer, const char *word, bool library, uint32_t flags) {
    const char *dot = strrchr(word, '.');
    struct span name = span_from_text(dot ? dot + 1 : word);
    struct span module = dot ? (struct span){word, (size_t)(dot - word)} : SPAN("builtins");
    struct graph_type *types = vector_items(&drawer->types, struct graph_type);
    for (uint32_t t = 0; t < drawer->types.count; t++)
        if (span_equal(types[t].name, name) && span_equal(types[t].module, module))
            return t;
    struct graph_type *type = vector_push(&drawer->types, struct graph_type);
    *type = (struct graph_type){.name = name, .module = module, .role = role_of_word(word)};
    if (dot)
        type->flags = TYPE_COLLECTED | (library ? TYPE_LIBRARY_CODE : TYPE_USER_CODE);
    else if (type->role != ROLE_TEXT)
        type->flags = TYPE_COLLECTED;
    if (flags & TYPE_FOREIGN) /* a C type, nobody's code */
        type->flags &= ~(uint32_t)(TYPE_USER_CODE | TYPE_LIBRARY_CODE);
    type->flags |= flags;
    return (uint32_t)drawer->types.count - 1;
}

static uint32_t read_type(struct drawer *drawer) {
    bool library = *drawer->at == '~';
    drawer->at += library;
    const char *word = read_word(drawer);
    uint32_t flags = *drawer->at == '!' ? TYPE_EXCEPTION : *drawer->at == '?' ? TYPE_FOREIGN : 0;
    drawer->at += flags != 0;
    if (*drawer->at++ != ')')
        give_up(drawer, "a type without its \")\"");
    return add_type(drawer, word, library, flags);
}

static uint32_t read_flag(struct drawer *drawer) {
    const char *word = read_word(drawer);
    for (size_t i = 0; i < sizeof flag_words / sizeof *flag_words; i++)
        if (strcmp(word, flag_words[i]) == 0)
            return 1u << i;
    give_up(drawer, "an unknown flag before this");
}

static struct drawn_node *node_at(struct drawer *drawer, uint32_t position) {
    return vector_items(&drawer->nodes, struct drawn_node *)[position];
}

static uint32_t add_node(struct drawer *drawer, const char *label) {
    for (uint32_t i = 0; i < drawer->nodes.count; i++)
        if (strcmp(node_at(drawer, i)->label, label) == 0)
            return i;
    struct drawn_node *node = arena_new(drawer->arena, struct drawn_node, 1);
    *node = (struct drawn_node){.label = label, .name = label, .refcount = -1};
    node->type = add_type(drawer, strcmp(label, "root") == 0 ? "root" : "object", false, 0);
    node->facts = (struct node_facts){.length = -1, .bound = -1};
    *vector_push(&drawer->nodes, struct drawn_node *) = node;
    return (uint32_t)drawer->nodes.count - 1;
}

/* One "(type)", ":100", "!flag" ... behind a label; false if there is none. */
static bool read_node_detail(struct drawer *drawer, struct drawn_node *node) {
    char mark = *drawer->at;
    if (!mark || !strchr("=(:*#<^!", mark))
        return false;
    drawer->at++;
    switch (mark) {
    case '=': node->name = read_word(drawer); break;
    case '(': node->type = read_type(drawer); break;
    case ':': node->size = read_number(drawer); break;
    case '*': node->refcount = (int64_t)read_number(drawer); break;
    case '#': node->facts.length = (int64_t)read_number(drawer); node->length_given = true; break;
    case '<': node->facts.bound = (int64_t)read_number(drawer); break;
    case '^':
        node->facts.line = (int32_t)read_number(drawer);
        node->facts.file = SPAN("drawn.py");
        break;
    default: node->flags |= read_flag(drawer); break;
    }
    return true;
}

/* The nodes up to the next arrow or the end of the statement. */
static void read_nodes(struct drawer *drawer, struct vector *out) {
    skip_spaces(drawer);
    while (*drawer->at && !strchr("-;\n", *drawer->at)) {
        bool library = *drawer->at == '~';
        drawer->at += library;
        uint32_t position = add_node(drawer, read_word(drawer));
        struct drawn_node *node = node_at(drawer, position);
        node->library |= library;
        while (read_node_detail(drawer, node))
            ;
        *vector_push(out, uint32_t) = position;
        skip_spaces(drawer);
    }
}

/* What an arrow said, before it is known what the nodes are. */
struct arrow {
    char form; /* '>' plain, '[' subscript, 'k' a kind */
    enum edge_kind kind;
    bool quoted;
    const char *name; /* NULL if it has none */
};

static void read_kind_arrow(struct drawer *drawer, struct arrow *arrow) {
    const char *word = read_word(drawer);
    arrow->kind = EDGE_KIND_COUNT;
    for (int k = 0; k < EDGE_KIND_COUNT; k++)
        if (strcmp(word, kind_words[k]) == 0)
            arrow->kind = (enum edge_kind)k;
    if (arrow->kind == EDGE_KIND_COUNT)
        give_up(drawer, "an unknown kind of edge before this");
    skip_spaces(drawer);
    if (*drawer->at != '-')
        arrow->name = read_word(drawer);
}

static struct arrow read_arrow(struct drawer *drawer) {
    struct arrow arrow = {.form = 'k'};
    if (*drawer->at++ != '-')
        give_up(drawer, "an arrow was expected before this");
    if (*drawer->at == '>') {
        arrow.form = '>';
        drawer->at++;
        return arrow;
    }
    if (*drawer->at == '.') {
        drawer->at++;
        arrow.kind = EDGE_ATTRIBUTE;
        arrow.name = read_word(drawer);
    } else if (*drawer->at == '[') {
        arrow.form = '[';
        drawer->at++;
        arrow.quoted = *drawer->at == '\'' || *drawer->at == '"';
        arrow.name = *drawer->at == ']' ? NULL : read_word(drawer);
        if (*drawer->at++ != ']')
            give_up(drawer, "a \"[\" without its \"]\"");
    } else {
        read_kind_arrow(drawer, &arrow);
    }
    if (drawer->at[0] != '-' || drawer->at[1] != '>')
        give_up(drawer, "an arrow without its end");
    drawer->at += 2;
    return arrow;
}

static void read_statement(struct drawer *drawer, struct vector *arrows) {
    struct vector left = {0}, right = {0};
    read_nodes(drawer, &left);
    while (*drawer->at == '-') {
        struct arrow arrow = read_arrow(drawer);
        read_nodes(drawer, &right);
        for (size_t i = 0; i < left.count; i++)
            for (size_t j = 0; j < right.count; j++) {
                struct drawn_edge *edge = vector_push(&drawer->edges, struct drawn_edge);
                edge->source = vector_items(&left, uint32_t)[i];
                edge->target = vector_items(&right, uint32_t)[j];
                *vector_push(arrows, struct arrow) = arrow;
            }
        vector_deinit(&left);
        left = right;
        right = (struct vector){0};
    }
    vector_deinit(&left);
    vector_deinit(&right);
}

static enum node_role role_at(struct drawer *drawer, uint32_t position) {
    return vector_items(&drawer->types, struct graph_type)[node_at(drawer, position)->type].role;
}

static enum edge_kind plain_kind(enum node_role source, enum node_role target) {
    if (source == ROLE_ROOT)
        return target == ROLE_MODULE   ? EDGE_MODULE
               : target == ROLE_THREAD ? EDGE_THREAD
               : target == ROLE_TABLE  ? EDGE_INTERPRETER
                                       : EDGE_STATIC;
    if (source == ROLE_THREAD && target == ROLE_ACTIVATION)
        return EDGE_FRAME;
    return source == ROLE_ACTIVATION ? EDGE_LOCAL : EDGE_SLOT;
}

static void finish_edge(struct drawer *drawer, struct drawn_edge *edge, const struct arrow *arrow, int64_t position) {
    enum node_role source = role_at(drawer, edge->source);
    edge->kind = arrow->kind;
    edge->name = (struct edge_name){span_from_text(arrow->name), -1};
    if (arrow->form == '>') {
        edge->kind = plain_kind(source, role_at(drawer, edge->target));
        if (source == ROLE_ROOT && edge->kind != EDGE_STATIC)
            edge->name.text = span_from_text(node_at(drawer, edge->target)->name);
    }
    if (arrow->form == '[')
        edge->kind = arrow->quoted || source == ROLE_DICT ? EDGE_KEY : EDGE_INDEX;
    if (edge->kind == EDGE_INDEX) {
        edge->name.index = arrow->name ? strtoll(arrow->name, NULL, 0) : position;
        edge->name.text = (struct span){0};
    }
}

static void finish_edges(struct drawer *drawer, const struct vector *arrows) {
    struct drawn_edge *edges = vector_items(&drawer->edges, struct drawn_edge);
    int64_t *next = arena_new(drawer->arena, int64_t, drawer->nodes.count);
    for (size_t e = 0; e < drawer->edges.count; e++) {
        finish_edge(drawer, &edges[e], &vector_items(arrows, struct arrow)[e], next[edges[e].source]);
        if (edges[e].kind == EDGE_INDEX)
            next[edges[e].source] = edges[e].name.index + 1;
    }
}

static bool is_synthetic(enum node_role role) {
    return role == ROLE_THREAD || role == ROLE_ACTIVATION || role == ROLE_TABLE || role == ROLE_ROOT;
}

static bool has_name(enum node_role role) {
    return role == ROLE_MODULE || role == ROLE_TYPE || role == ROLE_FUNCTION || role == ROLE_CODE ||
           (is_synthetic(role) && role != ROLE_ROOT);
}

static struct span describe_node(void *context, node_id node, struct arena *arena) {
    (void)arena;
    const struct drawn_words *words = context;
    return has_name(graph_type_of(words->graph, node)->role) ? span_from_text(words->nodes[node]->name)
                                                             : (struct span){0};
}

static void describe_edges(void *context, node_id source, struct edge_name *names, struct arena *arena) {
    (void)arena;
    const struct drawn_words *words = context;
    for (uint32_t i = 0; i < graph_out_degree(words->graph, source); i++)
        names[i] = words->edges[words->graph->out_begin[source] + i];
}

static void describe_facts(void *context, node_id node, struct node_facts *facts, struct arena *arena) {
    (void)arena;
    const struct drawn_words *words = context;
    enum node_role role = graph_type_of(words->graph, node)->role;
    *facts = words->nodes[node]->facts;
    facts->refcount = words->graph->refcounts[node];
    if (!words->nodes[node]->length_given && (role == ROLE_DICT || role == ROLE_SEQUENCE))
        facts->length = graph_out_degree(words->graph, node);
}

/* The root, the other synthetic nodes, then the objects; each group as first mentioned. */
static void number_nodes(struct drawer *drawer, struct graph *graph, struct drawn_words *words) {
    graph->node_count = (uint32_t)drawer->nodes.count;
    words->nodes = arena_new(drawer->arena, struct drawn_node *, graph->node_count);
    uint32_t next = 0;
    for (int objects = 0; objects < 2; objects++) {
        for (uint32_t i = 0; i < graph->node_count; i++)
            if (is_synthetic(role_at(drawer, i)) == !objects) {
                node_at(drawer, i)->id = next;
                words->nodes[next++] = node_at(drawer, i);
            }
        if (!objects)
            graph->synthetic_count = next;
    }
}

static uint8_t flags_of(const struct graph *graph, const struct drawn_node *node) {
    enum node_role role = graph->types[node->type].role;
    uint32_t flags = node->flags;
    if (!is_synthetic(role) && role != ROLE_TEXT)
        flags |= NODE_COLLECTED;
    if (role == ROLE_MODULE || role == ROLE_TYPE || role == ROLE_FUNCTION)
        flags |= node->library ? NODE_LIBRARY_CODE : NODE_USER_CODE;
    return (uint8_t)flags;
}

static void fill_nodes(struct drawer *drawer, struct graph *graph, const struct drawn_words *words) {
    uint64_t *addresses = arena_new(drawer->arena, uint64_t, graph->node_count);
    uint64_t *sizes = arena_new(drawer->arena, uint64_t, graph->node_count);
    uint32_t *type_of = arena_new(drawer->arena, uint32_t, graph->node_count);
    uint8_t *flags = arena_new(drawer->arena, uint8_t, graph->node_count);
    for (node_id n = 0; n < graph->node_count; n++) {
        addresses[n] = n < graph->synthetic_count ? 0 : 0x1000 + 0x100 * (uint64_t)(n - graph->synthetic_count);
        sizes[n] = words->nodes[n]->size;
        type_of[n] = words->nodes[n]->type;
        flags[n] = flags_of(graph, words->nodes[n]);
        graph->faults += (flags[n] & NODE_FAULT) != 0;
    }
    graph->addresses = addresses;
    graph->sizes = sizes;
    graph->type_of = type_of;
    graph->flags = flags;
}

static void fill_edges(struct drawer *drawer, struct graph *graph, struct drawn_words *words) {
    const struct drawn_edge *edges = vector_items(&drawer->edges, struct drawn_edge);
    graph->edge_count = drawer->edges.count;
    uint32_t *begin = arena_new(drawer->arena, uint32_t, (size_t)graph->node_count + 1);
    node_id *target = arena_new(drawer->arena, node_id, graph->edge_count);
    uint8_t *kind = arena_new(drawer->arena, uint8_t, graph->edge_count);
    words->edges = arena_new(drawer->arena, struct edge_name, graph->edge_count);
    uint32_t next = 0;
    for (node_id n = 0; n < graph->node_count; n++) {
        for (size_t e = 0; e < graph->edge_count; e++)
            if (node_at(drawer, edges[e].source)->id == n) {
                target[next] = node_at(drawer, edges[e].target)->id;
                kind[next] = (uint8_t)edges[e].kind;
                words->edges[next++] = edges[e].name;
            }
        begin[n + 1] = next;
    }
    graph->out_begin = begin;
    graph->out_target = target;
    graph->out_kind = kind;
}

static void fill_refcounts(struct drawer *drawer, struct graph *graph, const struct drawn_words *words) {
    uint32_t *refcounts = arena_new(drawer->arena, uint32_t, graph->node_count);
    for (node_id n = 0; n < graph->node_count; n++) {
        int64_t given = words->nodes[n]->refcount;
        refcounts[n] = given >= 0 ? (uint32_t)given : graph_in_degree(graph, n);
    }
    graph->refcounts = refcounts;
}

static struct drawn_graph *build(struct drawer *drawer) {
    struct drawn_graph *drawing = arena_new(drawer->arena, struct drawn_graph, 1);
    struct graph *graph = &drawing->graph;
    struct drawn_words *words = arena_new(drawer->arena, struct drawn_words, 1);
    struct graph_type *types = arena_new(drawer->arena, struct graph_type, drawer->types.count);
    memcpy(types, drawer->types.items, drawer->types.count * sizeof *types);
    for (uint32_t t = 0; t < drawer->types.count; t++)
        types[t].address = is_synthetic(types[t].role) ? 0 : 0x100000 + 0x100 * (uint64_t)t;
    graph->types = types;
    graph->type_count = (uint32_t)drawer->types.count;
    number_nodes(drawer, graph, words);
    fill_nodes(drawer, graph, words);
    fill_edges(drawer, graph, words);
    graph_build_in_edges(graph, drawer->arena);
    fill_refcounts(drawer, graph, words);
    words->graph = graph;
    graph->describe = (struct graph_describe){words, describe_edges, describe_node, describe_facts, NULL};
    drawing->words = words;
    return drawing;
}

struct drawn_graph *drawn_graph_make(const char *text, struct arena *arena) {
    struct drawer drawer = {.text = text, .at = text, .arena = arena};
    struct vector arrows = {0};
    add_node(&drawer, "root");
    while (*drawer.at) {
        read_statement(&drawer, &arrows);
        if (*drawer.at == ';' || *drawer.at == '\n')
            drawer.at++;
    }
    finish_edges(&drawer, &arrows);
    struct drawn_graph *drawing = build(&drawer);
    const char *problem = graph_check(&drawing->graph);
    if (problem)
        give_up(&drawer, problem);
    vector_deinit(&drawer.nodes);
    vector_deinit(&drawer.edges);
    vector_deinit(&drawer.types);
    vector_deinit(&arrows);
    return drawing;
}

node_id drawn_node(const struct drawn_graph *drawing, const char *label) {
    for (node_id n = 0; n < drawing->graph.node_count; n++)
        if (strcmp(drawing->words->nodes[n]->label, label) == 0)
            return n;
    fprintf(stderr, "drawing: there is no node \"%s\"\n", label);
    exit(1);
}

const char *drawn_label(const struct drawn_graph *drawing, node_id node) {
    return node == NODE_NONE ? "none" : drawing->words->nodes[node]->label;
}

uint32_t drawn_edge(const struct drawn_graph *drawing, const char *source, const char *target) {
    node_id from = drawn_node(drawing, source), to = drawn_node(drawing, target);
    for (uint32_t e = drawing->graph.out_begin[from]; e < drawing->graph.out_begin[from + 1]; e++)
        if (drawing->graph.out_target[e] == to)
            return e;
    fprintf(stderr, "drawing: there is no edge from \"%s\" to \"%s\"\n", source, target);
    exit(1);
}
