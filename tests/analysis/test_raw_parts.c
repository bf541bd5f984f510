/* raw_parts.h: holders of native memory folded by library and by path. */
#include "analysis/raw_parts.h"
#include "analysis/drawn_tree.h"
#include "support/check.h"

static struct arena arena;
static struct drawn_graph *drawing;
static struct path_tree tree;

static void draw(const char *text) {
    drawing = drawn_tree_make(text, &arena, &tree);
}

static struct raw_holder object(const char *label, uint64_t bytes) {
    return (struct raw_holder){RAW_OBJECT, drawn_node(drawing, label), {0}, 1, bytes};
}

static const char listed[] = "root -> m=shop(module); m -namespace-> g(dict); g -['OPEN']-> l(list);"
                             "l -[]-> a(_lib.File?); l -[]-> b(_lib.File?); g -['ONE']-> c(_lib.File?)";

TEST(objects_on_one_path_are_one_part) {
    draw(listed);
    struct raw_holder holders[] = {object("a", 100), object("c", 50), object("b", 300)};
    struct raw_parts parts;
    raw_parts_fold(&(struct raw_holders){holders, 3}, tree.node_of, &tree, &arena, &parts);
    CHECK(parts.known);
    CHECK_EQUAL(parts.count, 2);
    CHECK_EQUAL(parts.list[0].bytes, 400);
    CHECK_EQUAL(parts.list[0].blocks, 2);
    CHECK_EQUAL(parts.list[0].example, drawn_node(drawing, "b"));
    CHECK_EQUAL(parts.list[0].path_node, tree.node_of[drawn_node(drawing, "a")]);
    CHECK_EQUAL(parts.list[1].example, drawn_node(drawing, "c"));
    arena_deinit(&arena);
}

TEST(keys_are_the_same_in_every_snapshot) {
    draw("root -> m=shop(module); m -namespace-> g(dict); g -['OPEN']-> l(list); l -[]-> a(_lib.File?)");
    struct raw_holder before[] = {object("a", 100), {RAW_LIBRARY, NODE_NONE, span_from_text("x.so"), 1, 7}, {.kind = RAW_LOST}};
    struct raw_parts first, last;
    raw_parts_fold(&(struct raw_holders){before, 3}, tree.node_of, &tree, &arena, &first);
    draw(listed);
    struct raw_holder after[] = {{.kind = RAW_OTHER}, {.kind = RAW_LOST, .bytes = 5},
                                 {RAW_LIBRARY, NODE_NONE, span_from_text("y.so"), 1, 8},
                                 {RAW_LIBRARY, NODE_NONE, span_from_text("x.so"), 1, 9}, object("b", 11)};
    raw_parts_fold(&(struct raw_holders){after, 5}, tree.node_of, &tree, &arena, &last);
    CHECK_EQUAL(last.count, 5);
    CHECK_EQUAL(raw_parts_find(&last, first.list[0].key)->bytes, 11);
    CHECK_EQUAL(raw_parts_find(&last, first.list[1].key)->bytes, 9);
    CHECK_EQUAL(raw_parts_find(&last, first.list[2].key)->bytes, 5);
    CHECK(!raw_parts_find(&first, last.list[0].key));
    CHECK(span_is(raw_parts_find(&last, first.list[1].key)->library, "x.so"));
    arena_deinit(&arena);
}

TEST_MAIN(RUN(objects_on_one_path_are_one_part); RUN(keys_are_the_same_in_every_snapshot);)
