/* The lines that put things into the holder. */
#include "diagnosis/written.h"

#include "base/source.h"
#include "base/vector.h"

#include <stdlib.h>

enum { LINES_MOST = 3, SCORE_RANGE = 3, SHORTER_MOST = 3 };

/* One write that fits. */
struct found_write {
    int score;
    int32_t line;
    struct span file, function;
    bool library;
};

struct writer_search {
    const struct candidate *candidate;
    const struct graph *graph;
    struct written_pattern pattern;
    struct arena *arena;   /* of names; as long as the search */
    struct vector found;   /* struct found_write */
};

/* The namespace in which the code looks names up, by a function that runs it. */
static node_id globals_of(const struct graph *graph, node_id code) {
    for (uint32_t i = graph->in_begin[code]; i < graph->in_begin[code + 1]; i++) {
        node_id function = graph->in_source[i];
        if (graph_type_of(graph, function)->role != ROLE_FUNCTION)
            continue;
        for (uint32_t edge = graph->out_begin[function]; edge < graph->out_begin[function + 1]; edge++)
            if (graph->out_kind[edge] == EDGE_GLOBALS)
                return graph->out_target[edge];
    }
    return NODE_NONE;
}

static bool runs_code(const struct graph *graph, node_id function, node_id code) {
    for (uint32_t edge = graph->out_begin[function]; edge < graph->out_begin[function + 1]; edge++)
        if (graph->out_target[edge] == code)
            return true;
    return false;
}

static void describe_place(const struct writer_search *search, node_id code, struct written_place *out) {
    const struct graph_describe *describe = &search->graph->describe;
    struct node_facts facts = {0};
    describe->node_facts(describe->context, code, &facts, search->arena);
    out->file = facts.file;
    out->function = describe->node_name(describe->context, code, search->arena);
    out->globals = globals_of(search->graph, code);
    out->library = source_is_library(facts.file);
}

static void search_code(struct writer_search *search, node_id code, struct span wanted) {
    const struct graph_describe *describe = &search->graph->describe;
    struct code_write *writes;
    struct written_place place;
    size_t count = describe->code_writes(describe->context, code, wanted, &writes, search->arena);
    if (count)
        describe_place(search, code, &place);
    for (size_t i = 0; i < count; i++) {
        int score = written_score(search->candidate, &search->pattern, &place, &writes[i], search->arena);
        if (score > 0 && writes[i].line > 0)
            *vector_push(&search->found, struct found_write) =
                (struct found_write){score, writes[i].line, place.file, place.function, place.library};
    }
}

static void search_all(struct writer_search *search) {
    const struct graph *graph = search->graph;
    struct span wanted = written_pattern_name(&search->pattern);
    node_id function = search->pattern.function;
    if (function != NODE_NONE)
        wanted = (struct span){0};
    else if (!wanted.length)
        return;
    for (node_id node = graph->synthetic_count; node < graph->node_count; node++) {
        if (graph_type_of(graph, node)->role != ROLE_CODE)
            continue;
        if (function == NODE_NONE || runs_code(graph, function, node))
            search_code(search, node, wanted);
    }
}

static bool has_own_code(const struct vector *found) {
    for (size_t i = 0; i < found->count; i++)
        if (!vector_items(found, struct found_write)[i].library)
            return true;
    return false;
}

/* The user's own lines first, the best first. */
static int by_score(const void *a, const void *b) {
    const struct found_write *left = a, *right = b;
    if (left->library != right->library)
        return left->library - right->library;
    if (left->score != right->score)
        return right->score - left->score;
    return (left->line > right->line) - (left->line < right->line);
}

static bool is_known(const struct finding *finding, const struct found_write *write) {
    for (size_t i = 0; i < finding->written_count; i++)
        if (finding->written_by[i].line == write->line &&
            span_is(write->file, finding->written_by[i].file))
            return true;
    return false;
}

static void keep_best(struct vector *found, struct arena *arena, struct finding *out) {
    struct found_write *writes = found->items;
    qsort(writes, found->count, sizeof *writes, by_score);
    out->written_by = arena_new(arena, struct source_line, LINES_MOST);
    for (size_t i = 0; i < found->count && out->written_count < LINES_MOST; i++) {
        if (writes[i].library != writes[0].library || writes[i].score + SCORE_RANGE < writes[0].score)
            return;
        if (is_known(out, &writes[i]))
            continue;
        out->written_by[out->written_count++] = (struct source_line){
            .file = arena_copy_text(arena, writes[i].file.data, writes[i].file.length),
            .function = arena_copy_text(arena, writes[i].function.data, writes[i].function.length),
            .line = writes[i].line,
        };
    }
}

/* Where only the library stores into the holder itself, what the user's code calls of what holds it is the line. */
void written_fill(const struct candidate *candidate, struct arena *arena, struct finding *out) {
    struct arena scratch = {0};
    struct writer_search search = {.candidate = candidate, .graph = candidate->graph, .arena = &scratch};
    if (!candidate->graph->describe.code_writes || candidate->holder == NODE_NONE || !candidate->step_count)
        return;
    written_pattern_make(candidate, &scratch, &search.pattern);
    search_all(&search);
    for (int i = 0; i < SHORTER_MOST && search.pattern.function == NODE_NONE && !has_own_code(&search.found) &&
                    written_pattern_shorten(&search.pattern);
         i++)
        search_all(&search);
    if (search.found.count)
        keep_best(&search.found, arena, out);
    vector_deinit(&search.found);
    arena_deinit(&scratch);
}
