/* dominators.h: against the definition by removal on small graphs of every shape; large shapes in time. */
#include "analysis/dominators.h"
#include "support/check.h"
#include "support/drawn_graph.h"

#include <stdlib.h>

static uint64_t state = 1;

static uint32_t random_below(uint32_t limit) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)((state >> 11) % limit);
}

struct edge {
    node_id source, target;
};

/* A graph of objects without words. Sizes are powers of 3 of the number, so that no two sums are alike by chance. */
static struct graph *graph_of_edges(uint32_t count, const struct edge *edges, uint64_t edge_count, struct arena *arena) {
    struct graph *graph = arena_new(arena, struct graph, 1);
    uint32_t *begin = arena_new(arena, uint32_t, (size_t)count + 2);
    node_id *target = arena_new(arena, node_id, edge_count);
    uint64_t *sizes = arena_new(arena, uint64_t, count);
    for (uint64_t e = 0; e < edge_count; e++)
        begin[(size_t)edges[e].source + 2]++;
    for (uint32_t n = 2; n <= count; n++)
        begin[n] += begin[n - 1];
    for (uint64_t e = 0; e < edge_count; e++)
        target[begin[(size_t)edges[e].source + 1]++] = edges[e].target;
    for (uint32_t n = 0; n < count; n++)
        sizes[n] = n == 0 ? 0 : 1 + (uint64_t)n * n * 2654435761u % 1000003;
    *graph = (struct graph){.node_count = count, .synthetic_count = 1, .edge_count = edge_count, .out_begin = begin,
                            .out_target = target, .sizes = sizes, .flags = arena_new(arena, uint8_t, count),
                            .refcounts = arena_new(arena, uint32_t, count)};
    graph_build_in_edges(graph, arena);
    return graph;
}

/* Marks what the root and the entries reach when `removed` is not there. */
static void mark_without(const struct graph *graph, const struct reach *reach, node_id removed, bool *marked) {
    node_id stack[64];
    size_t depth = 0;
    memset(marked, 0, graph->node_count * sizeof *marked);
    if (removed == NODE_ROOT)
        return;
    marked[stack[depth++] = NODE_ROOT] = true;
    for (uint32_t i = 0; i < reach->entry_count; i++)
        if (reach->entries[i] != removed && !marked[reach->entries[i]])
            marked[stack[depth++] = reach->entries[i]] = true;
    while (depth) {
        node_id node = stack[--depth];
        for (uint32_t e = graph->out_begin[node]; e < graph->out_begin[node + 1]; e++) {
            node_id next = graph->out_target[e];
            if (next != removed && !marked[next])
                marked[stack[depth++] = next] = true;
        }
    }
}

/* dominates[a * count + b]: a is on every path to b. Retained sizes follow from that by the definition. */
static void check_against_definition(const struct graph *graph, const struct reach *reach,
                                     const struct dominators *dominators) {
    uint32_t count = graph->node_count;
    bool marked[64], dominates[64 * 64] = {0};
    for (node_id a = 0; a < count; a++) {
        mark_without(graph, reach, a, marked);
        uint64_t retained = 0;
        for (node_id b = 0; b < count; b++) {
            dominates[a * count + b] = !marked[b];
            retained += marked[b] ? 0 : graph->sizes[b];
        }
        CHECK_EQUAL(dominators->retained[a], retained);
    }
    CHECK_EQUAL(dominators->immediate[NODE_ROOT], NODE_NONE);
    for (node_id b = 1; b < count; b++) {
        node_id immediate = dominators->immediate[b];
        CHECK(immediate < count && immediate != b && dominates[immediate * count + b]);
        for (node_id a = 0; a < count && immediate < count; a++)
            if (a != b && dominates[a * count + b])
                CHECK(dominates[a * count + immediate]);
    }
}

static void check_order(const struct graph *graph, const struct dominators *dominators, struct arena *arena) {
    uint32_t *place = arena_new(arena, uint32_t, graph->node_count);
    for (uint32_t i = 0; i < graph->node_count; i++)
        place[dominators->order[i]] = i + 1;
    CHECK_EQUAL(dominators->order[0], NODE_ROOT);
    for (node_id n = 1; n < graph->node_count; n++)
        CHECK(place[n] && place[n] > place[dominators->immediate[n]]);
}

static bool same(const struct graph *graph, const struct dominators *a, const struct dominators *b) {
    return memcmp(a->immediate, b->immediate, graph->node_count * sizeof(node_id)) == 0 &&
           memcmp(a->retained, b->retained, graph->node_count * sizeof(uint64_t)) == 0;
}

TEST(small_random_graphs_agree_with_the_definition) {
    for (int trial = 0; trial < 4000; trial++) {
        struct arena arena = {0};
        struct edge edges[200];
        uint32_t count = 1 + random_below(trial % 10 == 0 ? 40 : 12), made = 0;
        uint32_t wanted = count > 1 ? random_below(count * (1 + random_below(4)) + 1) : 0;
        while (made < wanted)
            edges[made++] = (struct edge){random_below(random_below(2) ? count : 1 + count / 3), 1 + random_below(count - 1)};
        struct graph *graph = graph_of_edges(count, edges, made, &arena);
        for (node_id n = 1; n < count && trial % 3 == 0; n++)
            ((uint32_t *)(uintptr_t)graph->refcounts)[n] = graph_in_degree(graph, n) + (random_below(5) == 0);
        struct reach reach;
        struct dominators semi_nca, lengauer, automatic;
        reach_compute(graph, &arena, &reach);
        dominators_compute(graph, &reach, DOMINATORS_SEMI_NCA, &arena, &semi_nca);
        dominators_compute(graph, &reach, DOMINATORS_LENGAUER_TARJAN, &arena, &lengauer);
        dominators_compute(graph, &reach, DOMINATORS_AUTOMATIC, &arena, &automatic);
        check_against_definition(graph, &reach, &semi_nca);
        check_order(graph, &semi_nca, &arena);
        CHECK(same(graph, &semi_nca, &lengauer) && same(graph, &semi_nca, &automatic));
        CHECK(!semi_nca.fell_back && lengauer.fell_back);
        arena_deinit(&arena);
        if (check_state.test_failed) {
            fprintf(stderr, "in trial %d of %u nodes\n", trial, count);
            return;
        }
    }
}

TEST(a_diamond_is_dominated_by_its_top) {
    struct arena arena = {0};
    struct drawn_graph *drawing = drawn_graph_make("root -> a:1; a -> b:10 c:100; b c -> d:1000; d -> e:10000; e -> b", &arena);
    struct reach reach;
    struct dominators dominators;
    reach_compute(&drawing->graph, &arena, &reach);
    dominators_compute(&drawing->graph, &reach, DOMINATORS_AUTOMATIC, &arena, &dominators);
    CHECK_TEXT(drawn_label(drawing, dominators.immediate[drawn_node(drawing, "d")]), "a");
    CHECK_TEXT(drawn_label(drawing, dominators.immediate[drawn_node(drawing, "b")]), "a");
    CHECK_TEXT(drawn_label(drawing, dominators.immediate[drawn_node(drawing, "e")]), "d");
    CHECK_EQUAL(dominators.retained[drawn_node(drawing, "a")], 11111);
    CHECK_EQUAL(dominators.retained[drawn_node(drawing, "d")], 11000);
    CHECK_EQUAL(dominators.retained[drawn_node(drawing, "c")], 100);
    CHECK_EQUAL(dominators.retained[NODE_ROOT], 11111);
    arena_deinit(&arena);
}

/* Entries count as held by the root: what two of them share belongs to neither. */
TEST(unreached_entries_hang_on_the_root) {
    struct arena arena = {0};
    struct drawn_graph *drawing = drawn_graph_make("x:1*1 y:10*1 -> z:100; p:1000 -> q:10000 -> p", &arena);
    struct reach reach;
    struct dominators dominators;
    reach_compute(&drawing->graph, &arena, &reach);
    dominators_compute(&drawing->graph, &reach, DOMINATORS_AUTOMATIC, &arena, &dominators);
    CHECK_EQUAL(dominators.immediate[drawn_node(drawing, "z")], NODE_ROOT);
    CHECK_EQUAL(dominators.retained[drawn_node(drawing, "x")], 1);
    CHECK_EQUAL(dominators.retained[drawn_node(drawing, "p")], 11000);
    CHECK_EQUAL(dominators.retained[NODE_ROOT], 11111);
    arena_deinit(&arena);
}

enum large_shape { DOUBLY_LINKED, CHAIN, STAR, LAYERS, LADDER };

static uint32_t draw_large(enum large_shape shape, uint32_t count, struct edge *edges) {
    uint32_t made = 0;
    for (node_id n = 1; n < count; n++) {
        switch (shape) {
        case DOUBLY_LINKED:
            edges[made++] = (struct edge){n - 1, n};
            if (n > 1)
                edges[made++] = (struct edge){n, n - 1};
            if (n % 50 == 0)
                edges[made++] = (struct edge){0, n};
            break;
        case CHAIN: edges[made++] = (struct edge){n - 1, n}; break;
        case STAR: edges[made++] = (struct edge){0, n}; break;
        case LAYERS: /* ten wide, each refers to three of the next layer */
            if (n < 11)
                edges[made++] = (struct edge){0, n};
            for (uint32_t i = 0; i < 3 && (n - 1) / 10 * 10 + 20 < count; i++)
                edges[made++] = (struct edge){n, (n - 1) / 10 * 10 + 11 + random_below(10)};
            break;
        case LADDER: /* half a chain; the rest hangs at its end and on node 1: SEMI-NCA climbs the chain each time */
            edges[made++] = (struct edge){n <= count / 2 ? n - 1 : count / 2, n};
            if (n > count / 2)
                edges[made++] = (struct edge){1, n};
            break;
        }
    }
    return made;
}

static void check_large(enum large_shape shape, uint32_t count, bool both, struct arena *arena, struct dominators *out,
                        struct graph **graph_out) {
    struct edge *edges = arena_new(arena, struct edge, (size_t)count * 4);
    struct graph *graph = graph_of_edges(count, edges, draw_large(shape, count, edges), arena);
    struct reach reach;
    struct dominators lengauer;
    reach_compute(graph, arena, &reach);
    dominators_compute(graph, &reach, DOMINATORS_AUTOMATIC, arena, out);
    if (both) {
        dominators_compute(graph, &reach, DOMINATORS_LENGAUER_TARJAN, arena, &lengauer);
        CHECK(same(graph, out, &lengauer));
    }
    *graph_out = graph;
}

TEST(large_shapes) {
    enum { COUNT = 1000001 };
    for (enum large_shape shape = DOUBLY_LINKED; shape <= LAYERS; shape++) {
        struct arena arena = {0};
        struct dominators dominators;
        struct graph *graph;
        check_large(shape, COUNT, true, &arena, &dominators, &graph);
        CHECK(!dominators.fell_back);
        if (shape == CHAIN)
            CHECK(dominators.immediate[COUNT - 1] == COUNT - 2 &&
                  dominators.retained[COUNT - 2] == graph->sizes[COUNT - 1] + graph->sizes[COUNT - 2]);
        if (shape == STAR)
            CHECK(dominators.immediate[COUNT - 1] == 0 && dominators.retained[7] == graph->sizes[7]);
        if (shape == DOUBLY_LINKED)
            CHECK(dominators.immediate[77] == 0 && dominators.immediate[COUNT - 1] == 0 && dominators.immediate[1] == 0);
        arena_deinit(&arena);
    }
}

TEST(a_ladder_falls_back_to_lengauer_tarjan) {
    struct arena arena = {0};
    struct dominators dominators, slow;
    struct graph *graph;
    check_large(LADDER, 2001, true, &arena, &dominators, &graph);
    CHECK(dominators.fell_back && dominators.steps > 64 * 2001);
    CHECK_EQUAL(dominators.immediate[2000], 1);
    CHECK_EQUAL(dominators.immediate[1000], 999);
    struct reach reach;
    reach_compute(graph, &arena, &reach);
    dominators_compute(graph, &reach, DOMINATORS_SEMI_NCA, &arena, &slow);
    CHECK(!slow.fell_back && same(graph, &dominators, &slow));
    arena_deinit(&arena);
}

TEST(sixteen_bytes_per_node_are_kept) {
    struct arena arena = {0}, result = {0};
    struct dominators dominators;
    struct graph *graph;
    check_large(STAR, 500000, false, &arena, &dominators, &graph);
    struct reach reach;
    reach_compute(graph, &arena, &reach);
    dominators_compute(graph, &reach, DOMINATORS_AUTOMATIC, &result, &dominators);
    CHECK(result.bytes <= 16 * (size_t)graph->node_count + 4 * 8192);
    arena_deinit(&result);
    arena_deinit(&arena);
}

TEST_MAIN(RUN(a_diamond_is_dominated_by_its_top); RUN(unreached_entries_hang_on_the_root);
          RUN(small_random_graphs_agree_with_the_definition); RUN(large_shapes);
          RUN(a_ladder_falls_back_to_lengauer_tarjan); RUN(sixteen_bytes_per_node_are_kept);)
