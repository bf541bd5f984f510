/* How long reach, dominators and path trees take on a heap-shaped graph of the size given; run by hand. */
#include "analysis/dominators.h"
#include "analysis/path_tree.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* Time of the processor, since others may use the machine. */
static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static uint64_t state = 42;

static uint32_t random_below(uint32_t limit) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)((state >> 11) % limit);
}

enum { TYPES = 400 };

static void name_edges(void *context, node_id source, struct edge_name *names, struct arena *arena) {
    static const char *const words[] = {"name", "value", "items", "parent", "next", "state", "owner", "lock"};
    const struct graph *graph = context;
    (void)arena;
    for (uint32_t i = 0; i < graph_out_degree(graph, source); i++)
        names[i] = (struct edge_name){span_from_text(words[i % 8]), -1};
}

static struct span name_node(void *context, node_id node, struct arena *arena) {
    (void)context, (void)node, (void)arena;
    return SPAN("node");
}

/* A third each of attributes, keys and positions; the types are real ones. */
static void add_words(struct graph *graph, struct arena *arena) {
    struct graph_type *types = arena_new(arena, struct graph_type, TYPES);
    uint8_t *kinds = arena_new(arena, uint8_t, graph->edge_count);
    uint32_t *type_of = arena_new(arena, uint32_t, graph->node_count);
    static const uint8_t some[] = {EDGE_ATTRIBUTE, EDGE_KEY, EDGE_INDEX};
    for (uint32_t t = 0; t < TYPES; t++)
        types[t] = (struct graph_type){span_from_text(arena_format(arena, "Type%u", t)), SPAN("shop"), ROLE_OBJECT, 0, 0};
    types[0].role = ROLE_ROOT;
    for (uint32_t n = 1; n < graph->node_count; n++)
        type_of[n] = 1 + random_below(1 + random_below(TYPES - 1));
    for (uint64_t e = 0; e < graph->edge_count; e++)
        kinds[e] = some[random_below(3)];
    graph->types = types;
    graph->type_count = TYPES;
    graph->type_of = type_of;
    graph->out_kind = kinds;
    graph->describe = (struct graph_describe){graph, name_edges, name_node, NULL};
}

/* A tree of containers whose children lie mostly near by, a type edge each, and a quarter of cross references. */
static uint32_t draw_edges(uint32_t count, uint32_t *source, uint32_t *target) {
    uint32_t edges = 0;
    for (uint32_t n = 1; n < count; n++) {
        source[edges] = n <= TYPES ? 0 : random_below(4) ? n - 1 - random_below(n < 4096 ? n : 4096) % n : random_below(n);
        target[edges++] = n;
        if (n > TYPES) {
            source[edges] = n;
            target[edges++] = 1 + random_below(1 + random_below(TYPES));
        }
        if (random_below(4) == 0) {
            source[edges] = 1 + random_below(count - 1);
            target[edges++] = n;
        }
    }
    return edges;
}

static void build(struct graph *graph, uint32_t count, struct arena *arena) {
    struct arena scratch = {0};
    uint32_t *source = arena_new(&scratch, uint32_t, (size_t)count * 3), *target = arena_new(&scratch, uint32_t, (size_t)count * 3);
    uint32_t *place = arena_new(&scratch, uint32_t, count), edges;
    edges = draw_edges(count, source, target);
    /* Addresses have little to do with who refers to whom: shuffle in windows, as an aged heap is. */
    for (uint32_t n = 0; n < count; n++)
        place[n] = n;
    for (uint32_t n = 1; n < count; n++) {
        uint32_t other = random_below(8) ? n - random_below(n < 256 ? n : 256) : 1 + random_below(n);
        uint32_t swapped = place[n];
        place[n] = place[other];
        place[other] = swapped;
    }
    uint32_t *begin = arena_new(arena, uint32_t, (size_t)count + 2);
    uint32_t *out = arena_new(arena, uint32_t, edges);
    for (uint32_t e = 0; e < edges; e++)
        begin[place[source[e]] + 2]++;
    for (uint32_t n = 2; n <= count; n++)
        begin[n] += begin[n - 1];
    for (uint32_t e = 0; e < edges; e++)
        out[begin[place[source[e]] + 1]++] = place[target[e]];
    uint64_t *sizes = arena_new(arena, uint64_t, count);
    for (uint32_t n = 0; n < count; n++)
        sizes[n] = 48 + 16 * random_below(8);
    *graph = (struct graph){.node_count = count, .synthetic_count = 1, .edge_count = edges, .out_begin = begin, .out_target = out, .sizes = sizes};
    graph->flags = arena_new(arena, uint8_t, count);
    graph->refcounts = arena_new(arena, uint32_t, count);
    graph_build_in_edges(graph, arena);
    add_words(graph, arena);
    arena_deinit(&scratch);
}

int main(int argc, char **argv) {
    uint32_t count = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 0) : 3500000;
    struct arena arena = {0};
    struct graph graph;
    build(&graph, count, &arena);
    printf("%u nodes, %llu edges\n", graph.node_count, (unsigned long long)graph.edge_count);
    for (int round = 0; round < 3; round++) {
        struct arena result = {0};
        struct reach reach;
        struct dominators semi_nca, lengauer;
        double started = now();
        reach_compute(&graph, &result, &reach);
        double reached = now();
        dominators_compute(&graph, &reach, DOMINATORS_AUTOMATIC, &result, &semi_nca);
        double done = now();
        dominators_compute(&graph, &reach, DOMINATORS_LENGAUER_TARJAN, &result, &lengauer);
        double again = now();
        bool same = memcmp(semi_nca.immediate, lengauer.immediate, count * sizeof(node_id)) == 0;
        printf("reach %.3f s, dominators %.3f s (%.2f steps per node), together %.3f s; Lengauer-Tarjan %.3f s, %s; %u entries\n",
               reached - started, done - reached, (double)semi_nca.steps / count, done - started, again - done,
               same ? "same" : "DIFFERENT", reach.entry_count);
        struct paths paths;
        struct path_tree tree;
        again = now();
        paths_compute(&graph, &reach, &result, &paths);
        double found = now();
        path_tree_build(&graph, &reach, &paths, NULL, &result, &tree);
        printf("paths %.3f s, path tree %.3f s (%u path nodes)\n", found - again, now() - found, tree.count);
        arena_deinit(&result);
    }
    arena_deinit(&arena);
    return 0;
}
