/* Words for a graph that was read from a file. */
#include "graph/heap_file_format.h"

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

static struct span describe_node(void *context, node_id node, struct arena *arena) {
    (void)arena;
    const struct file_words *words = context;
    size_t low = 0, high = words->node_name_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (words->node_names[middle].node < node)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == words->node_name_count || words->node_names[low].node != node)
        return (struct span){0};
    return file_word(words, words->node_names[low].word);
}

static void describe_facts(void *context, node_id node, struct node_facts *facts, struct arena *arena) {
    (void)arena;
    const struct file_words *words = context;
    *facts = (struct node_facts){.length = -1, .bound = -2, .refcount = words->graph->refcounts[node]};
    size_t low = 0, high = words->node_fact_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (words->node_facts[middle].node < node)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == words->node_fact_count || words->node_facts[low].node != node)
        return;
    const struct file_node_fact *record = &words->node_facts[low];
    facts->length = record->length;
    facts->bound = record->bound;
    facts->line = record->line;
    facts->file = file_word(words, record->file);
}

struct graph_describe file_words_describe(struct file_words *words) {
    return (struct graph_describe){words, describe_edges, describe_node, describe_facts};
}
