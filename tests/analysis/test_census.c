/* analysis/census: counts, bytes, and retained sizes that count nested members once. Dominators by hand. */
#include "analysis/census.h"
#include "support/check.h"
#include "support/drawn_graph.h"

static const struct census_row *row_of(const struct graph *graph, const struct census *census, const char *name) {
    for (size_t i = 0; i < census->count; i++)
        if (span_is(graph->types[census->rows[i].type].name, name))
            return &census->rows[i];
    return NULL;
}

TEST(objects_and_bytes_are_counted_by_type_the_largest_first) {
    struct arena arena = {0};
    struct drawn_graph *drawing = drawn_graph_make(
        "root -> w(thread) a(dict):300 b(list):50 c(list):70 d(shop.Session):120 e(bytes):120", &arena);
    struct census census;
    census_compute(&drawing->graph, NULL, &arena, &census);
    CHECK_EQUAL(census.objects, 5);
    CHECK_EQUAL(census.bytes, 660);
    CHECK_EQUAL(census.count, 4);
    const struct graph_type *types = drawing->graph.types;
    CHECK(span_is(types[census.rows[0].type].name, "dict"));
    /* Three types of 120 bytes: in the order of their types, so that output is the same each time. */
    CHECK(span_is(types[census.rows[1].type].name, "list"));
    CHECK(span_is(types[census.rows[2].type].name, "Session"));
    CHECK(span_is(types[census.rows[3].type].name, "bytes"));
    CHECK_EQUAL(census.rows[1].count, 2);
    CHECK_EQUAL(census.rows[1].retained, 0);
    arena_deinit(&arena);
}

TEST(a_member_inside_another_member_is_retained_once) {
    struct arena arena = {0};
    /* outer holds inner holds text; other holds outer's sibling. A tree, so each one's parent dominates it. */
    struct drawn_graph *drawing = drawn_graph_make(
        "root -> outer(list):10 other(list):20; outer -[]-> d(dict):30 -[]-> inner(list):40 -[]-> t(str):50\n"
        "other -[]-> u(str):60", &arena);
    const struct graph *graph = &drawing->graph;
    node_id *immediate = arena_new(&arena, node_id, graph->node_count);
    uint64_t *retained = arena_new(&arena, uint64_t, graph->node_count);
    immediate[NODE_ROOT] = NODE_NONE;
    for (node_id n = 1; n < graph->node_count; n++)
        immediate[n] = graph->in_source[graph->in_begin[n]];
    retained[NODE_ROOT] = 210;
    retained[drawn_node(drawing, "outer")] = 130;
    retained[drawn_node(drawing, "other")] = 80;
    retained[drawn_node(drawing, "d")] = 120;
    retained[drawn_node(drawing, "inner")] = 90;
    retained[drawn_node(drawing, "t")] = 50;
    retained[drawn_node(drawing, "u")] = 60;
    struct dominators dominators = {.immediate = immediate, .retained = retained};
    struct census census;
    census_compute(graph, &dominators, &arena, &census);
    CHECK_EQUAL(row_of(graph, &census, "list")->retained, 130 + 80);
    CHECK_EQUAL(row_of(graph, &census, "list")->bytes, 70);
    CHECK_EQUAL(row_of(graph, &census, "dict")->retained, 120);
    CHECK_EQUAL(row_of(graph, &census, "str")->retained, 110);
    CHECK(row_of(graph, &census, "root") == NULL);
    arena_deinit(&arena);
}

TEST(an_empty_heap_has_an_empty_census) {
    struct arena arena = {0};
    struct drawn_graph *drawing = drawn_graph_make("", &arena);
    struct census census;
    census_compute(&drawing->graph, NULL, &arena, &census);
    CHECK(census.count == 0 && census.objects == 0 && census.bytes == 0);
    arena_deinit(&arena);
}

TEST_MAIN(RUN(objects_and_bytes_are_counted_by_type_the_largest_first);
          RUN(a_member_inside_another_member_is_retained_once); RUN(an_empty_heap_has_an_empty_census);)
