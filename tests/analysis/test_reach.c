/* reach.h: live, held by native code, garbage; and the fewest entries that reach the rest. */
#include "analysis/reach.h"
#include "support/check.h"
#include "support/drawn_graph.h"

static struct drawn_graph *drawing;
static struct reach reach;

static void look(const char *text, struct arena *arena) {
    drawing = drawn_graph_make(text, arena);
    reach_compute(&drawing->graph, arena, &reach);
}

static const char *class_of(const char *label) {
    static const char *const words[] = {"live", "native", "garbage"};
    return words[reach.class_of[drawn_node(drawing, label)]];
}

/* The labels of all entries. */
static const char *entries(void) {
    static char text[200];
    text[0] = 0;
    for (uint32_t i = 0; i < reach.entry_count; i++) {
        strcat(text, i ? " " : "");
        strcat(text, drawn_label(drawing, reach.entries[i]));
    }
    return text;
}

TEST(what_the_root_reaches_lives) {
    struct arena arena = {0};
    look("root -> a:1*9; a -> b:10; b -> a c:100", &arena);
    CHECK_TEXT(class_of("a"), "live");
    CHECK_TEXT(class_of("c"), "live");
    CHECK_EQUAL(reach.objects[REACH_LIVE], 3);
    CHECK_EQUAL(reach.bytes[REACH_LIVE], 111);
    CHECK_EQUAL(reach.entry_count, 0);
    arena_deinit(&arena);
}

TEST(a_cycle_that_only_holds_itself_is_garbage) {
    struct arena arena = {0};
    look("root -> live; a:1 -> b:10 -> a; b -> tail:100; b -> live", &arena);
    CHECK_TEXT(class_of("a"), "garbage");
    CHECK_TEXT(class_of("tail"), "garbage");
    CHECK_TEXT(class_of("live"), "live");
    CHECK_EQUAL(reach.bytes[REACH_GARBAGE], 111);
    CHECK_TEXT(entries(), "a");
    CHECK_EQUAL(reach.native_entry_count, 0);
    arena_deinit(&arena);
}

TEST(one_reference_too_many_is_native_code) {
    struct arena arena = {0};
    look("a*2 -> b -> a; b -> c; g -> g; g -> c", &arena);
    CHECK_TEXT(class_of("a"), "native");
    CHECK_TEXT(class_of("b"), "native");
    CHECK_TEXT(class_of("c"), "native");
    CHECK_TEXT(class_of("g"), "garbage");
    CHECK_TEXT(entries(), "a g");
    CHECK_EQUAL(reach.native_entry_count, 1);
    CHECK_EQUAL(reach.objects[REACH_NATIVE], 3);
    arena_deinit(&arena);
}

/* Both are held from outside, though one also refers to the other. */
TEST(every_hidden_reference_is_an_entry) {
    struct arena arena = {0};
    look("a*1 -> b*2", &arena);
    CHECK_TEXT(entries(), "a b");
    CHECK_EQUAL(reach.native_entry_count, 2);
    arena_deinit(&arena);
}

TEST(counts_that_say_nothing_are_not_believed) {
    struct arena arena = {0};
    look("a*3000000000 -> b; c*5!immortal; d*0", &arena);
    CHECK_TEXT(class_of("a"), "garbage");
    CHECK_TEXT(class_of("b"), "garbage");
    CHECK_TEXT(class_of("c"), "garbage");
    CHECK_TEXT(class_of("d"), "garbage");
    CHECK_EQUAL(reach.native_entry_count, 0);
    arena_deinit(&arena);
}

/* The sink comes first in node order, then a cycle, then what leads to both. */
TEST(garbage_has_the_fewest_entries) {
    struct arena arena = {0};
    look("sink; x -> y -> x; y -> sink; p -> q -> p; q -> x; alone", &arena);
    CHECK_TEXT(entries(), "p alone");
    arena_deinit(&arena);
}

TEST(a_long_chain_is_walked_without_recursion) {
    struct arena arena = {0};
    enum { COUNT = 1000000 };
    uint32_t *begin = arena_new(&arena, uint32_t, COUNT + 1);
    node_id *target = arena_new(&arena, node_id, COUNT);
    struct graph graph = {.node_count = COUNT, .synthetic_count = 1, .edge_count = COUNT - 1, .out_begin = begin,
                          .out_target = target, .sizes = arena_new(&arena, uint64_t, COUNT),
                          .flags = arena_new(&arena, uint8_t, COUNT), .refcounts = arena_new(&arena, uint32_t, COUNT)};
    for (uint32_t n = 0; n < COUNT; n++) {
        begin[n + 1] = n + 1 < COUNT ? n + 1 : COUNT - 1;
        target[n] = n + 1;
    }
    graph_build_in_edges(&graph, &arena);
    reach_compute(&graph, &arena, &reach);
    CHECK_EQUAL(reach.objects[REACH_LIVE], COUNT - 1);
    CHECK_EQUAL(reach.entry_count, 0);
    arena_deinit(&arena);
}

TEST_MAIN(RUN(what_the_root_reaches_lives); RUN(a_cycle_that_only_holds_itself_is_garbage);
          RUN(one_reference_too_many_is_native_code); RUN(every_hidden_reference_is_an_entry);
          RUN(counts_that_say_nothing_are_not_believed); RUN(garbage_has_the_fewest_entries);
          RUN(a_long_chain_is_walked_without_recursion);)
