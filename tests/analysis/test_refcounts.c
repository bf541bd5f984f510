/* refcounts.h: what is counted beyond the references found, by type; what says nothing is left out. */
#include "analysis/refcounts.h"
#include "support/check.h"
#include "support/drawn_graph.h"

static struct drawn_graph *drawing;
static struct refcounts counts;

static void count(const char *text, struct arena *arena) {
    drawing = drawn_graph_make(text, arena);
    refcounts_compute(&drawing->graph, arena, &counts);
}

TEST(a_heap_that_adds_up_is_explained_in_full) {
    struct arena arena = {0};
    count("root -> a; a -> b c; b -> c", &arena);
    CHECK_EQUAL(counts.checked, 3);
    CHECK_EQUAL(counts.exact, 3);
    CHECK_EQUAL(counts.type_count, 0);
    CHECK(refcounts_explained(&counts) == 1);
    arena_deinit(&arena);
}

TEST(a_surplus_is_booked_on_its_type) {
    struct arena arena = {0};
    count("root -> a; b(lib.Row)*2; c(lib.Row)*3; a -> c; d(bytes)*9", &arena);
    CHECK_EQUAL(counts.checked, 4);
    CHECK_EQUAL(counts.exact, 1);
    CHECK_EQUAL(counts.above, 3);
    CHECK_EQUAL(counts.surplus, 13);
    CHECK_EQUAL(counts.type_count, 2);
    CHECK_EQUAL(counts.types[0].surplus, 9); /* the bytes object: nine of one */
    CHECK_EQUAL(counts.types[0].objects, 1);
    CHECK_EQUAL(counts.types[1].surplus, 4); /* two of b, two of c */
    CHECK_EQUAL(counts.types[1].objects, 2);
    uint64_t key = refcounts_key(graph_type_of(&drawing->graph, drawn_node(drawing, "b")));
    CHECK(refcounts_find(&counts, key) == &counts.types[1]);
    CHECK(refcounts_find(&counts, key + 1) == NULL);
    CHECK_EQUAL(refcounts_surplus(&drawing->graph, drawn_node(drawing, "c")), 2);
    arena_deinit(&arena);
}

TEST(fewer_references_than_were_found_are_no_surplus) {
    struct arena arena = {0};
    count("root -> a b; a -> b*1", &arena);
    CHECK_EQUAL(counts.below, 1);
    CHECK_EQUAL(counts.surplus, 0);
    CHECK_EQUAL(refcounts_surplus(&drawing->graph, drawn_node(drawing, "b")), -1);
    CHECK(refcounts_explained(&counts) == 0.5);
    arena_deinit(&arena);
}

TEST(immortal_unreadable_and_absurd_counts_say_nothing) {
    struct arena arena = {0};
    count("root -> a; b*5!immortal; c*5!fault; d*999999999", &arena);
    CHECK_EQUAL(counts.silent, 3);
    CHECK_EQUAL(counts.checked, 1);
    CHECK_EQUAL(counts.surplus, 0);
    CHECK_EQUAL(refcounts_surplus(&drawing->graph, drawn_node(drawing, "d")), 0);
    arena_deinit(&arena);
}

TEST(a_heap_without_objects_is_no_contradiction) {
    struct arena arena = {0};
    count("root", &arena);
    CHECK_EQUAL(counts.checked, 0);
    CHECK(refcounts_explained(&counts) == 1);
    arena_deinit(&arena);
}

TEST_MAIN(RUN(a_heap_that_adds_up_is_explained_in_full); RUN(a_surplus_is_booked_on_its_type);
          RUN(fewer_references_than_were_found_are_no_surplus);
          RUN(immortal_unreadable_and_absurd_counts_say_nothing);
          RUN(a_heap_without_objects_is_no_contradiction);)
