/* path_tree.h: which objects share a path node, and that a node's key is the same in another snapshot. */
#include "analysis/path_tree.h"
#include "base/map.h"
#include "base/text.h"
#include "analysis/drawn_tree.h"
#include "support/check.h"

static struct arena arena;
static struct drawn_graph *drawing;
static struct path_tree tree;

static void look(const char *text) {
    drawing = drawn_tree_make(text, &arena, &tree);
}

static const struct path_node *node_of(const char *label) {
    return &tree.nodes[tree.node_of[drawn_node(drawing, label)]];
}

static void check_sums(void) {
    uint64_t objects = 0, bytes = 0;
    for (uint32_t node = 0; node < tree.count; node++) {
        objects += tree.nodes[node].objects;
        bytes += tree.nodes[node].bytes;
        CHECK(node == 0 ? tree.nodes[node].parent == UINT32_MAX : tree.nodes[node].parent < node);
    }
    CHECK_EQUAL(tree.nodes[0].subtree_objects, objects);
    CHECK_EQUAL(tree.nodes[0].subtree_bytes, bytes);
    CHECK_EQUAL(objects, drawing->graph.node_count - 1);
}

#define MODULE "root -> shop(module):1 -namespace-> ns(dict):2\n"

TEST(variables_have_a_node_each) {
    look(MODULE "ns -['A']-> a(list):10; ns -['B']-> b(list):20; a -[]-> x(shop.X):100; a -[]-> y(shop.X):200; a -[]-> z(shop.Z):400");
    check_sums();
    CHECK(node_of("a") != node_of("b"));
    CHECK(node_of("a")->single && node_of("b")->single && !node_of("x")->single);
    CHECK(node_of("x") == node_of("y") && node_of("x") != node_of("z"));
    CHECK_EQUAL(node_of("x")->objects, 2);
    CHECK_EQUAL(node_of("x")->bytes, 300);
    CHECK_EQUAL(node_of("a")->subtree_bytes, 710);
    CHECK_EQUAL(node_of("shop")->subtree_bytes, 733);
    CHECK_EQUAL(node_of("a")->kind, EDGE_KEY);
    CHECK_EQUAL(node_of("x")->kind, EDGE_INDEX);
    CHECK_EQUAL(tree.nodes[node_of("a")->parent].key, node_of("ns")->key);
    CHECK_TEXT(drawn_label(drawing, node_of("a")->example), "a");
    CHECK(span_is(tree.types[node_of("z")->type].name, "Z") && span_is(tree.types[node_of("z")->type].module, "shop"));
}

TEST(keys_have_names_only_below_single_small_dicts) {
    struct text text = {0};
    text_add(&text, MODULE "ns -['SMALL']-> small(dict); small -['p']-> p(list); small -['q']-> q(list)\n");
    text_add(&text, "ns -['ALL']-> all(list) -[]-> d1(dict) d2(dict); d1 -['p']-> r(list); d1 -['q']-> s(list)\n");
    text_add(&text, "ns -['LARGE']-> large(dict)\n");
    for (int i = 0; i < PATH_TREE_NAMED_KEYS + 1; i++)
        text_format(&text, "large -['k%d']-> k%d(list); k%d -.o-> o%d(list)\n", i, i, i, i);
    look(text_get(&text));
    CHECK(node_of("p") != node_of("q") && node_of("p")->single);
    CHECK(node_of("d1") == node_of("d2") && node_of("r") == node_of("s"));
    CHECK(node_of("k1") == node_of("k2"));
    CHECK_EQUAL(node_of("k1")->objects, PATH_TREE_NAMED_KEYS + 1);
    check_sums();
    text_deinit(&text);
}

TEST(attributes_have_names_below_any_holder) {
    look(MODULE "ns -['ALL']-> all(list) -[]-> a(shop.S) b(shop.S); a -.cart-> ac(list); b -.cart-> bc(list)\n"
         "a -.tags-> at(list); b -namespace-> bn(dict) -['seen']-> bs(list); bn -['kept']-> bk(list)");
    CHECK(node_of("ac") == node_of("bc") && node_of("ac") != node_of("at"));
    CHECK(node_of("bs") != node_of("bk"));
    CHECK(!node_of("ac")->single);
}

TEST(lists_and_trees_fold_into_their_first_step) {
    look(MODULE "ns -['HEAD']-> n0(shop.N) -.next-> n1(shop.N) -.next-> n2(shop.N) -.next-> n3(shop.N); n3 -.load-> load(list)\n"
         "ns -['TOP']-> t0(shop.T) -.kids-> k0(list) -[]-> t1(shop.T) t2(shop.T); t1 -.kids-> k1(list) -[]-> t3(shop.T) -.kids-> k3(list)");
    CHECK(node_of("n1") == node_of("n2") && node_of("n2") == node_of("n3") && node_of("n0") != node_of("n1"));
    CHECK(!node_of("n1")->single && node_of("n0")->single);
    CHECK_EQUAL(node_of("load")->parent, tree.node_of[drawn_node(drawing, "n1")]);
    CHECK(node_of("t1") == node_of("t2") && node_of("t1") == node_of("t3"));
    CHECK(node_of("k0") == node_of("k1") && node_of("k1") == node_of("k3"));
    CHECK(node_of("t0") != node_of("t1"));
    check_sums();
}

/* Every instance has a __dict__; that alone makes no chain. */
TEST(a_namespace_is_no_repetition) {
    look(MODULE "ns -['APP']-> app(shop.App) -namespace-> an(dict) -['bus']-> bus(shop.Bus) -namespace-> bn(dict) -['list']-> l(list)");
    CHECK(node_of("ns") != node_of("an") && node_of("an") != node_of("bn"));
    CHECK(node_of("l")->single);
    look(MODULE "ns -['H']-> a(shop.N) -namespace-> an(dict) -['next']-> b(shop.N) -namespace-> bn(dict) -['next']-> c(shop.N) -namespace-> cn(dict)");
    CHECK(node_of("b") == node_of("c") && node_of("bn") == node_of("cn"));
}

TEST(threads_fold_by_the_pattern_of_their_names) {
    look("root -> 'worker-1'(thread) 'worker-22'(thread) 'MainThread'(thread)\n"
         "'worker-1' -> r1=run(activation) -local buffer-> b1(bytes):5000; 'worker-22' -> r2=run(activation) -local buffer-> b2(bytes):5000\n"
         "'MainThread' -> m=main(activation) -> m2=loop(activation)");
    CHECK(node_of("worker-1") == node_of("worker-22") && node_of("worker-1") != node_of("MainThread"));
    CHECK(node_of("r1") == node_of("r2") && node_of("b1") == node_of("b2"));
    CHECK(node_of("MainThread")->single && !node_of("worker-1")->single);
}

TEST(what_nobody_holds_is_kept_apart_by_its_fate) {
    look(MODULE "held(shop.S)*1:10; held2(shop.S)*1; a(shop.S) -> a");
    CHECK_EQUAL(node_of("held")->reach, REACH_NATIVE);
    CHECK_EQUAL(node_of("a")->reach, REACH_GARBAGE);
    CHECK(node_of("held") == node_of("held2") && node_of("held") != node_of("a"));
    CHECK_EQUAL(node_of("held")->parent, 0);
    check_sums();
}

TEST(classes_of_one_name_are_one_type) {
    look(MODULE "ns -['R']-> r(list) -[]-> a(shop.Row); r -[]-> b(shop.Row)");
    CHECK_EQUAL(node_of("a")->type, node_of("b")->type);
    uint32_t lists = 0;
    for (uint32_t type = 0; type < tree.type_count; type++)
        lists += span_is(tree.types[type].name, "list");
    CHECK_EQUAL(lists, 1);
}

TEST(keys_are_the_same_in_another_snapshot) {
    look(MODULE "ns -['A']-> a(list) -[]-> x(shop.X):5");
    uint64_t list_key = node_of("a")->key, item_key = node_of("x")->key;
    look("root -> other(module) -namespace-> on(dict) -['A']-> oa(list)\n" MODULE
         "ns -['Z']-> z(dict); ns -['A']-> a(list) -[]-> x(shop.X) y(shop.X)");
    struct map index = {0};
    path_tree_index(&tree, &index, NULL);
    CHECK_EQUAL(map_find(&index, list_key), tree.node_of[drawn_node(drawing, "a")]);
    CHECK_EQUAL(map_find(&index, item_key), tree.node_of[drawn_node(drawing, "y")]);
    CHECK(node_of("oa")->key != list_key);
    CHECK_EQUAL(map_find(&index, list_key + 1), MAP_ABSENT);
    map_deinit(&index);
}

TEST(too_many_attributes_are_folded) {
    struct text text = {0};
    text_add(&text, MODULE "ns -['ALL']-> all(list)\n");
    for (int i = 0; i < PATH_TREE_NAMED_CHILDREN + 50; i++)
        text_format(&text, "all -[]-> a%d(shop.S) -.attribute%d-> v%d(list)\n", i, i, i);
    look(text_get(&text));
    CHECK(node_of("v0") != node_of("v1"));
    CHECK(node_of("v530") == node_of("v540"));
    CHECK(tree.count < PATH_TREE_NAMED_CHILDREN + 20);
    check_sums();
    text_deinit(&text);
}

TEST_MAIN(RUN(variables_have_a_node_each); RUN(keys_have_names_only_below_single_small_dicts);
          RUN(attributes_have_names_below_any_holder); RUN(lists_and_trees_fold_into_their_first_step);
          RUN(a_namespace_is_no_repetition); RUN(threads_fold_by_the_pattern_of_their_names);
          RUN(what_nobody_holds_is_kept_apart_by_its_fate); RUN(classes_of_one_name_are_one_type);
          RUN(keys_are_the_same_in_another_snapshot); RUN(too_many_attributes_are_folded); arena_deinit(&arena);)
