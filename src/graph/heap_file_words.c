/* Names on their way into a file: each distinct text once, and only what may leave the process. */
#include "base/map.h"
#include "base/vector.h"
#include "graph/heap_file_format.h"

#include <ctype.h>

/* Dicts up to this size are taken for records, whose keys are names that a programmer chose; longer identifiers
 * are taken for tokens. */
enum { RECORD_KEYS = 64, IDENTIFIER_LENGTH = 64, SCRATCH_LIMIT = 4 << 20 };

struct word_list {
    const struct graph *graph;
    bool values;
    struct map ids;
    struct vector begins; /* uint32_t; one more than there are words */
    struct text bytes;
    uint8_t *is_namespace; /* by node */
    struct vector node_names, node_facts;
    struct arena scratch;
};

static struct span word_at(const struct word_list *list, uint32_t word) {
    const uint32_t *begins = vector_items(&list->begins, uint32_t);
    return (struct span){list->bytes.data + begins[word], begins[word + 1] - begins[word]};
}

static uint32_t add_word(struct word_list *list, struct span text) {
    size_t count = list->begins.count;
    if (list->bytes.length + text.length >= UINT32_MAX || count >= UINT32_MAX - 1)
        return 0;
    text_add_span(&list->bytes, text);
    *vector_push(&list->begins, uint32_t) = (uint32_t)list->bytes.length;
    return (uint32_t)count - 1;
}

/* Texts of the same hash take the next key. */
static uint32_t word_of(struct word_list *list, struct span text) {
    if (!text.length)
        return 0;
    for (uint64_t key = span_hash(text, 0);; key = key * 0x9e3779b97f4a7c15u + 1) {
        uint32_t word = map_find(&list->ids, key);
        if (word == MAP_ABSENT) {
            word = add_word(list, text);
            if (word)
                map_set(&list->ids, key, word);
            return word;
        }
        if (span_equal(word_at(list, word), text))
            return word;
    }
}

static bool is_identifier(struct span text) {
    if (!text.length || text.length > IDENTIFIER_LENGTH || isdigit((unsigned char)text.data[0]))
        return false;
    for (size_t i = 0; i < text.length; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (!isalnum(c) && c != '_' && c < 0x80)
            return false;
    }
    return true;
}

static bool may_leave(const struct word_list *list, node_id source, enum edge_kind kind, struct span name) {
    if (list->values)
        return true;
    switch (kind) {
    case EDGE_KEY:
        if (!list->is_namespace[source] && graph_out_degree(list->graph, source) > 2 * RECORD_KEYS)
            return false;
        return is_identifier(name);
    case EDGE_ATTRIBUTE:
    case EDGE_LOCAL:
    case EDGE_THREAD:
    case EDGE_KEY_OBJECT: return is_identifier(name);
    default: return true; /* from code: slots, modules, libraries */
    }
}

static uint32_t word_of_edge(struct word_list *list, node_id source, uint32_t edge, const struct edge_name *name) {
    enum edge_kind kind = (enum edge_kind)list->graph->out_kind[edge];
    if (kind == EDGE_INDEX)
        return name->index < 0 || name->index >= UINT32_MAX ? 0 : (uint32_t)name->index + 1;
    return name->text.length && may_leave(list, source, kind, name->text) ? word_of(list, name->text) : 0;
}

static void tidy_scratch(struct word_list *list) {
    if (list->scratch.bytes > SCRATCH_LIMIT)
        arena_deinit(&list->scratch);
}

static void write_edge_names(struct word_list *list, struct file_writer *writer) {
    const struct graph *graph = list->graph;
    file_writer_begin(writer, SECTION_NAME, graph->edge_count * sizeof(uint32_t));
    for (node_id n = 0; n < graph->node_count && !writer->error; n++) {
        uint32_t degree = graph_out_degree(graph, n);
        if (!degree)
            continue;
        struct edge_name *names = arena_new(&list->scratch, struct edge_name, degree);
        uint32_t *words = arena_new(&list->scratch, uint32_t, degree);
        graph->describe.edge_names(graph->describe.context, n, names, &list->scratch);
        for (uint32_t i = 0; i < degree; i++)
            words[i] = word_of_edge(list, n, graph->out_begin[n] + i, &names[i]);
        file_writer_add(writer, words, degree * sizeof *words);
        tidy_scratch(list);
    }
    file_writer_finish(writer);
}

static void mark_namespaces(struct word_list *list, struct arena *arena) {
    const struct graph *graph = list->graph;
    list->is_namespace = arena_new(arena, uint8_t, graph->node_count);
    for (uint64_t e = 0; e < graph->edge_count; e++)
        if (graph->out_kind[e] == EDGE_NAMESPACE)
            list->is_namespace[graph->out_target[e]] = 1;
}

static bool has_name(uint32_t role) {
    return role == ROLE_MODULE || role == ROLE_TYPE || role == ROLE_FUNCTION || role == ROLE_CODE ||
           role == ROLE_FRAME || role == ROLE_THREAD || role == ROLE_ACTIVATION || role == ROLE_TABLE;
}

/* Containers and code; instances of classes written in Python have no length of their own. */
static bool has_facts(const struct graph_type *type) {
    switch (type->role) {
    case ROLE_DICT:
    case ROLE_SEQUENCE:
    case ROLE_CACHE:
    case ROLE_FUNCTION:
    case ROLE_CODE:
    case ROLE_FRAME:
    case ROLE_ACTIVATION: return true;
    case ROLE_OBJECT: return !(type->flags & (TYPE_USER_CODE | TYPE_LIBRARY_CODE));
    default: return false;
    }
}

static void gather_node_name(struct word_list *list, node_id node) {
    const struct graph_describe *describe = &list->graph->describe;
    uint32_t role = graph_type_of(list->graph, node)->role;
    if (!has_name(role))
        return;
    struct span name = describe->node_name(describe->context, node, &list->scratch);
    if (role == ROLE_THREAD && !list->values && !is_identifier(name))
        return;
    uint32_t word = word_of(list, name);
    if (word)
        *vector_push(&list->node_names, struct file_node_name) = (struct file_node_name){node, word};
}

static void gather_node_facts(struct word_list *list, node_id node) {
    const struct graph_describe *describe = &list->graph->describe;
    if (!has_facts(graph_type_of(list->graph, node)))
        return;
    struct node_facts facts = {.length = -1, .bound = -2};
    describe->node_facts(describe->context, node, &facts, &list->scratch);
    if (facts.length < 0 && facts.bound < 0 && !facts.file.length && !facts.line)
        return;
    *vector_push(&list->node_facts, struct file_node_fact) = (struct file_node_fact){
        node, word_of(list, facts.file), facts.line, 0, facts.length, facts.bound,
    };
}

static void write_vector(struct file_writer *writer, enum file_section section, const struct vector *vector,
                         size_t item_size) {
    file_writer_begin(writer, section, vector->count * item_size);
    file_writer_add(writer, vector->items, vector->count * item_size);
    file_writer_finish(writer);
}

static void write_nodes(struct word_list *list, struct file_writer *writer) {
    for (node_id n = 0; n < list->graph->node_count; n++) {
        gather_node_name(list, n);
        gather_node_facts(list, n);
        tidy_scratch(list);
    }
    write_vector(writer, SECTION_NODE_NAME, &list->node_names, sizeof(struct file_node_name));
    write_vector(writer, SECTION_NODE_FACT, &list->node_facts, sizeof(struct file_node_fact));
}

static void write_types(struct word_list *list, struct file_writer *writer) {
    const struct graph *graph = list->graph;
    file_writer_begin(writer, SECTION_TYPE, graph->type_count * sizeof(struct file_type));
    for (uint32_t t = 0; t < graph->type_count; t++) {
        const struct graph_type *type = &graph->types[t];
        struct file_type record = {word_of(list, type->name), word_of(list, type->module), type->role, type->flags,
                                   type->address};
        file_writer_add(writer, &record, sizeof record);
    }
    file_writer_finish(writer);
}

void file_words_write(const struct heap *heap, bool values, struct file_writer *writer) {
    struct arena arena = {0};
    struct word_list list = {.graph = &heap->graph, .values = values};
    *vector_push(&list.begins, uint32_t) = 0;
    *vector_push(&list.begins, uint32_t) = 0; /* word 0 is the empty one */
    mark_namespaces(&list, &arena);
    write_edge_names(&list, writer);
    write_nodes(&list, writer);
    write_types(&list, writer);
    write_vector(writer, SECTION_WORD_BEGIN, &list.begins, sizeof(uint32_t));
    file_writer_begin(writer, SECTION_WORD_BYTES, list.bytes.length);
    file_writer_add(writer, list.bytes.data, list.bytes.length);
    file_writer_finish(writer);
    map_deinit(&list.ids);
    vector_deinit(&list.begins);
    vector_deinit(&list.node_names);
    vector_deinit(&list.node_facts);
    text_deinit(&list.bytes);
    arena_deinit(&list.scratch);
    arena_deinit(&arena);
}
