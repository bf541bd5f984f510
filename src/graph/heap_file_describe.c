/* Words for a graph that was read from a file. */
#include "graph/heap_file_format.h"

#include <stdlib.h>

struct span file_word(const struct file_words *words, uint32_t word) {
    return (struct span){words->word_bytes + words->word_begin[word],
                         words->word_begin[word + 1] - words->word_begin[word]};
}

static void describe_edges(void *context, node_id source, struct edge_name *names, struct arena *arena) {
    (void)arena;
    const struct file_words *words = context;
    const struct graph *graph = words->graph;
    for (uint32_t e = graph->out_begin[source]; e < graph->out_begin[source + 1]; e++) {
        uint32_t word = words->edge_words[e];
        if (graph->out_kind[e] == EDGE_INDEX)
            *names++ = (struct edge_name){.index = (int64_t)word - 1};
        else
            *names++ = (struct edge_name){file_word(words, word), -1};
    }
}

/* Records of both tables begin with their node and are sorted by it. */
static int compare_node(const void *key, const void *record) {
    node_id wanted = *(const node_id *)key, node = *(const node_id *)record;
    return (wanted > node) - (wanted < node);
}

static struct span describe_node(void *context, node_id node, struct arena *arena) {
    (void)arena;
    const struct file_words *words = context;
    const struct file_node_name *record =
        bsearch(&node, words->node_names, words->node_name_count, sizeof *record, compare_node);
    return record ? file_word(words, record->word) : (struct span){0};
}

static void describe_facts(void *context, node_id node, struct node_facts *facts, struct arena *arena) {
    (void)arena;
    const struct file_words *words = context;
    *facts = (struct node_facts){.length = -1, .bound = -2, .refcount = words->graph->refcounts[node]};
    const struct file_node_fact *record =
        bsearch(&node, words->node_facts, words->node_fact_count, sizeof *record, compare_node);
    if (!record)
        return;
    facts->length = record->length;
    facts->bound = record->bound;
    facts->line = record->line;
    facts->file = file_word(words, record->file);
}

struct graph_describe file_words_describe(struct file_words *words) {
    return (struct graph_describe){words, describe_edges, describe_node, describe_facts, NULL};
}
