/* graph.h: lookup, in-edges, and a check that notices every broken invariant. Also the drawn graphs themselves. */
#include "support/check.h"
#include "support/drawn_graph.h"

TEST(a_drawing_has_the_nodes_and_edges_that_it_shows) {
    struct arena arena = {0};
    struct drawn_graph *drawing = drawn_graph_make("root -> a b; a -> c:100; b -> c; c -> a", &arena);
    const struct graph *graph = &drawing->graph;
    node_id a = drawn_node(drawing, "a"), b = drawn_node(drawing, "b"), c = drawn_node(drawing, "c");
    CHECK_EQUAL(graph->node_count, 4);
    CHECK_EQUAL(graph->edge_count, 5);
    CHECK_EQUAL(graph->sizes[c], 100);
    CHECK_EQUAL(graph_out_degree(graph, NODE_ROOT), 2);
    CHECK_EQUAL(graph_in_degree(graph, c), 2);
    CHECK_EQUAL(graph->in_source[graph->in_begin[c]], a);
    CHECK_EQUAL(graph->in_source[graph->in_begin[c] + 1], b);
    CHECK_EQUAL(graph->in_source[graph->in_begin[a]], NODE_ROOT);
    CHECK_EQUAL(graph->in_source[graph->in_begin[a] + 1], c);
    CHECK_EQUAL(graph->refcounts[c], 2);
    CHECK_TEXT(drawn_label(drawing, c), "c");
    arena_deinit(&arena);
}

TEST(a_drawing_says_kinds_names_roles_and_facts) {
    struct arena arena = {0};
    struct drawn_graph *drawing = drawn_graph_make(
        "root -> shop.sessions(module) 'worker-3'(thread); 'worker-3' -> run(activation) -local buf-> b(bytes):9\n"
        "shop.sessions -namespace-> ns(dict)*7#500<128 -['STORE']-> s(shop.Session)!permanent; s -.items-> l(list)\n"
        "l -[]-> b; l -[5]-> b; l -[]-> b; ~logging(module)^41", &arena);
    const struct graph *graph = &drawing->graph;
    struct edge_name names[4];
    graph->describe.edge_names(graph->describe.context, NODE_ROOT, names, &arena);
    CHECK(span_is(names[0].text, "shop.sessions") && span_is(names[1].text, "worker-3"));
    CHECK_EQUAL(graph->out_kind[drawn_edge(drawing, "root", "shop.sessions")], EDGE_MODULE);
    CHECK_EQUAL(graph->out_kind[drawn_edge(drawing, "root", "worker-3")], EDGE_THREAD);
    CHECK_EQUAL(graph->out_kind[drawn_edge(drawing, "worker-3", "run")], EDGE_FRAME);
    CHECK_EQUAL(graph->out_kind[drawn_edge(drawing, "run", "b")], EDGE_LOCAL);
    CHECK_EQUAL(graph->out_kind[drawn_edge(drawing, "ns", "s")], EDGE_KEY);
    CHECK_EQUAL(graph->out_kind[drawn_edge(drawing, "s", "l")], EDGE_ATTRIBUTE);
    graph->describe.edge_names(graph->describe.context, drawn_node(drawing, "l"), names, &arena);
    CHECK_EQUAL(names[0].index, 0);
    CHECK_EQUAL(names[1].index, 5);
    CHECK_EQUAL(names[2].index, 6);
    node_id session = drawn_node(drawing, "s"), space = drawn_node(drawing, "ns");
    CHECK(span_is(graph_type_of(graph, session)->module, "shop"));
    CHECK(span_is(graph_type_of(graph, session)->name, "Session"));
    CHECK_EQUAL(graph->flags[session], NODE_COLLECTED | NODE_PERMANENT);
    CHECK_EQUAL(graph->flags[drawn_node(drawing, "logging")], NODE_COLLECTED | NODE_LIBRARY_CODE);
    CHECK_EQUAL(graph->flags[drawn_node(drawing, "b")], 0);
    CHECK_EQUAL(graph->synthetic_count, 3);
    struct node_facts facts;
    graph->describe.node_facts(graph->describe.context, space, &facts, &arena);
    CHECK(facts.length == 500 && facts.bound == 128 && facts.refcount == 7);
    graph->describe.node_facts(graph->describe.context, drawn_node(drawing, "l"), &facts, &arena);
    CHECK_EQUAL(facts.length, 3);
    CHECK(span_is(graph->describe.node_name(graph->describe.context, drawn_node(drawing, "run"), &arena), "run"));
    CHECK_EQUAL(graph->describe.node_name(graph->describe.context, session, &arena).length, 0);
    arena_deinit(&arena);
}

TEST(an_address_is_found_only_where_an_object_begins) {
    struct arena arena = {0};
    struct drawn_graph *drawing = drawn_graph_make("root -> a b c d e; t(thread)", &arena);
    const struct graph *graph = &drawing->graph;
    for (node_id n = graph->synthetic_count; n < graph->node_count; n++) {
        CHECK_EQUAL(graph_find_address(graph, graph->addresses[n]), n);
        CHECK_EQUAL(graph_find_address(graph, graph->addresses[n] + 8), NODE_NONE);
        CHECK_EQUAL(graph_find_address(graph, graph->addresses[n] - 8), NODE_NONE);
    }
    CHECK_EQUAL(graph_find_address(graph, 0), NODE_NONE);
    CHECK_EQUAL(graph_find_address(graph, UINT64_MAX), NODE_NONE);
    drawing = drawn_graph_make("", &arena);
    CHECK_EQUAL(graph_find_address(&drawing->graph, 0x1000), NODE_NONE);
    arena_deinit(&arena);
}

/* Breaks one thing in a fresh sound graph and says what graph_check thinks of it. */
#define BROKEN(statement)                                                                                    \
    ({                                                                                                       \
        struct drawn_graph *drawing = drawn_graph_make("root -> t(thread) a b; a -> b; b -> a", &arena);     \
        struct graph *g = &drawing->graph;                                                                   \
        CHECK(graph_check(g) == NULL);                                                                       \
        statement;                                                                                           \
        const char *problem = graph_check(g);                                                                \
        problem ? problem : "(nothing)";                                                                     \
    })

TEST(the_check_notices_impossible_nodes) {
    struct arena arena = {0};
    CHECK_TEXT(BROKEN(g->synthetic_count = 0), "the number of nodes is impossible");
    CHECK_TEXT(BROKEN(g->synthetic_count = 9), "the number of nodes is impossible");
    CHECK_TEXT(BROKEN(g->synthetic_count = 3), "a node among the synthetic ones is an object, or the reverse");
    CHECK_TEXT(BROKEN(g->synthetic_count = 1), "a node among the synthetic ones is an object, or the reverse");
    CHECK_TEXT(BROKEN(((uint64_t *)(uintptr_t)g->addresses)[1] = 5), "a synthetic node has an address");
    CHECK_TEXT(BROKEN(((uint64_t *)(uintptr_t)g->addresses)[2] = 0x9000), "addresses do not rise");
    CHECK_TEXT(BROKEN(((uint64_t *)(uintptr_t)g->addresses)[3] = 0x1000), "addresses do not rise");
    CHECK_TEXT(BROKEN(((uint32_t *)(uintptr_t)g->type_of)[2] = 77), "a node has a type that does not exist");
    CHECK_TEXT(BROKEN(((uint32_t *)(uintptr_t)g->type_of)[1] = g->type_of[0]), "node 0 and only node 0 must be the root");
    CHECK_TEXT(BROKEN(((uint32_t *)(uintptr_t)g->type_of)[0] = g->type_of[2]), "node 0 and only node 0 must be the root");
    CHECK_TEXT(BROKEN(((struct graph_type *)(uintptr_t)g->types)[2].role = 99), "a type has a role that does not exist");
    CHECK_TEXT(BROKEN(((struct graph_type *)(uintptr_t)g->types)[2].name.data = NULL), "a type has a name without text");
    arena_deinit(&arena);
}

TEST(the_check_notices_impossible_edges) {
    struct arena arena = {0};
    CHECK_TEXT(BROKEN(g->edge_count = UINT32_MAX), "the number of edges is impossible");
    CHECK_TEXT(BROKEN(g->edge_count--), "edge ranges do not cover the edges");
    CHECK_TEXT(BROKEN(((uint32_t *)(uintptr_t)g->out_begin)[0] = 1), "edge ranges do not cover the edges");
    CHECK_TEXT(BROKEN(((uint32_t *)(uintptr_t)g->out_begin)[1] = 5), "edge ranges overlap");
    CHECK_TEXT(BROKEN(((node_id *)(uintptr_t)g->out_target)[0] = 4), "an edge leads to a node that does not exist");
    CHECK_TEXT(BROKEN(((node_id *)(uintptr_t)g->out_target)[4] = 0), "an edge leads to the root");
    CHECK_TEXT(BROKEN(((uint8_t *)(uintptr_t)g->out_kind)[2] = EDGE_KIND_COUNT), "an edge is of a kind that does not exist");
    CHECK_TEXT(BROKEN(((uint8_t *)(uintptr_t)g->flags)[2] |= NODE_FAULT), "an unreadable node has edges");
    arena_deinit(&arena);
}

TEST(the_check_notices_in_edges_that_are_not_the_reverse) {
    struct arena arena = {0};
    const char *reverse = "in-edges are not the reverse of the out-edges";
    CHECK_TEXT(BROKEN(g->in_begin = NULL), "in-edges were not built");
    CHECK_TEXT(BROKEN(((uint32_t *)(uintptr_t)g->in_begin)[4] = 4), "edge ranges do not cover the edges");
    CHECK_TEXT(BROKEN(((uint32_t *)(uintptr_t)g->in_begin)[2] = 5), "edge ranges overlap");
    CHECK_TEXT(BROKEN(((node_id *)(uintptr_t)g->in_source)[1] = 1), reverse);
    CHECK_TEXT(BROKEN(((node_id *)(uintptr_t)g->out_target)[0] = 2), reverse);
    CHECK_TEXT(BROKEN(((uint32_t *)(uintptr_t)g->in_begin)[3]--), reverse);
    arena_deinit(&arena);
}

TEST_MAIN(RUN(a_drawing_has_the_nodes_and_edges_that_it_shows); RUN(a_drawing_says_kinds_names_roles_and_facts);
          RUN(an_address_is_found_only_where_an_object_begins); RUN(the_check_notices_impossible_nodes);
          RUN(the_check_notices_impossible_edges); RUN(the_check_notices_in_edges_that_are_not_the_reverse);)
