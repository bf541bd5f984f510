/* analysis/paths: which path is the best, and how it reads. Entries of reach are given by hand. */
#include "analysis/paths.h"
#include "support/check.h"
#include "support/drawn_graph.h"

/* A drawing with its paths; all that the tests below need. */
struct world {
    struct arena arena;
    struct drawn_graph *drawing;
    struct reach reach;
    struct paths paths;
    struct text text;
};

/* `entry`: a label that the root does not reach, or NULL. */
static struct world *world_make(struct world *world, const char *text, const char *entry, enum reach_class class) {
    *world = (struct world){0};
    world->drawing = drawn_graph_make(text, &world->arena);
    uint8_t *classes = arena_new(&world->arena, uint8_t, world->drawing->graph.node_count);
    node_id *entries = arena_new(&world->arena, node_id, 1);
    world->reach = (struct reach){.class_of = classes, .entries = entries, .entry_count = entry != NULL};
    world->reach.native_entry_count = entry && class == REACH_NATIVE;
    if (entry) {
        entries[0] = drawn_node(world->drawing, entry);
        classes[entries[0]] = (uint8_t)class;
    }
    paths_compute(&world->drawing->graph, &world->reach, &world->arena, &world->paths);
    return world;
}

static void world_end(struct world *world) {
    arena_deinit(&world->arena);
    text_deinit(&world->text);
}

static const char *path_to(struct world *world, const char *label) {
    struct path_step *steps;
    const struct graph *graph = &world->drawing->graph;
    size_t count = paths_steps(graph, &world->paths, drawn_node(world->drawing, label), &world->arena, &steps);
    text_clear(&world->text);
    paths_write(graph, &world->reach, steps, count, &world->text);
    return text_get(&world->text);
}

/* The text of the best path to "x" in a drawing. */
#define CHECK_PATH(drawing, expected)                                                                        \
    do {                                                                                                     \
        struct world world;                                                                                  \
        CHECK_TEXT(path_to(world_make(&world, (drawing), NULL, REACH_LIVE), "x"), (expected));                \
        world_end(&world);                                                                                   \
    } while (0)

TEST(a_variable_is_written_as_python_writes_it) {
    CHECK_PATH("root -> __main__(module) -namespace-> ns(dict) -['AUDIT']-> x(list)", "__main__.AUDIT");
    CHECK_PATH("root -> shop.sessions(module) -namespace-> ns(dict) -['STORE']-> d(dict) -['abc']-> s(shop.Session)\n"
               "s -.cart-> x(list)",
               "shop.sessions.STORE[\"abc\"].cart");
    CHECK_PATH("root -> __main__(module) -namespace-> ns(dict) -['ROWS']-> l(list) -[17]-> d(dict) -[3]-> x",
               "__main__.ROWS[17][3]");
    CHECK_PATH("root -> __main__(module) -namespace-> ns(dict) -['SHOP']-> s(__main__.Shop) -namespace-> d(dict)\n"
               "d -['pending']-> x(dict)",
               "__main__.SHOP.pending");
}

TEST(names_that_are_no_identifiers_stay_readable) {
    CHECK_PATH("root -> m(module) -namespace-> ns(dict) -['a b']-> x", "m.__dict__[\"a b\"]");
    CHECK_PATH("root -> m(module) -namespace-> x(dict)", "m.__dict__");
    CHECK_PATH("root -> m(module) -namespace-> ns(dict) -['D']-> d(dict) -['say \"hi\"\\']-> x",
               "m.D[\"say \\\"hi\\\"\\\\\"]");
    CHECK_PATH("root -> m(module) -namespace-> ns(dict) -['S']-> s(set) -[4]-> x", "m.S[...]");
    CHECK_PATH("root -> m(module) -namespace-> ns(dict) -['D']-> d(dict) -[]-> x", "m.D[...]");
    CHECK_PATH("root -> m(module) -namespace-> ns(dict) -['D']-> d(dict) -keyobject-> x", "m.D.keys()[...]");
    CHECK_PATH("root -> m(module) -namespace-> ns(dict) -['D']-> d(_x.Thing) -> x", "m.D.<unnamed>");
    CHECK_PATH("root -> m(module) -namespace-> ns(dict) -['D']-> d(dict)\n"
               "d -['0123456789012345678901234567890123456789012345678901234567\xc3\xa9\xc3\xa9\xc3\xa9']-> x",
               "m.D[\"0123456789012345678901234567890123456789012345678901234567\xc3\xa9...\"]");
}

TEST(control_characters_do_not_reach_the_terminal) {
    CHECK_PATH("root -> 'm\x1b[2J'(module) -namespace-> ns(dict) -['D\n']-> d(app.D) -.'a\x07'-> x",
               "m\\x1b[2J.__dict__[\"D\\n\"].<a\\x07>");
    CHECK_PATH("root -> 'w\x1b'(thread) -> 'f\x1b'(activation) -local 'b\x1b'-> x",
               "thread \"w\\x1b\" frame f\\x1b() local b\\x1b");
}

TEST(functions_classes_and_closures_are_written_as_python_writes_them) {
    CHECK_PATH("root -> __main__(module) -namespace-> ns(dict) -['collect']-> __main__.collect(function)\n"
               "__main__.collect -slot __defaults__-> t(tuple) -[]-> x(list); __main__.collect -globals-> ns",
               "__main__.collect.__defaults__[0]");
    CHECK_PATH("root -> __main__(module) -namespace-> ns(dict) -['execute']-> __main__.execute(function)\n"
               "__main__.execute -slot __closure__-> t(tuple) -[1]-> c(cell) -cell-> x(deque)",
               "__main__.execute.__closure__[1].cell_contents");
    CHECK_PATH("root -> __main__(module) -namespace-> ns(dict) -['Notes']-> Notes(type) -namespace-> cd(dict)\n"
               "cd -['by_document']-> w(~weakref.WeakKeyDictionary) -.data-> x(dict)",
               "__main__.Notes.by_document.data");
    CHECK_PATH("root -> __main__(module) -namespace-> ns(dict) -['resolve']-> c(lru_cache) -slot cache-> d(dict)\n"
               "d -keyobject-> f(frame) -local document-> x(dict)",
               "__main__.resolve.cache.keys()[...] local document");
}

TEST(roots_that_are_no_modules_are_written_in_words) {
    CHECK_PATH("root -> 'worker-3'(thread) -> run(activation) -local buf-> x(bytearray)",
               "thread \"worker-3\" frame run() local buf");
    CHECK_PATH("root -> 'worker-3'(thread) -> run(activation) -> x", "thread \"worker-3\" frame run() temporary");
    CHECK_PATH("root -> 'worker-3'(thread) -slot context-> x", "thread \"worker-3\" context");
    CHECK_PATH("root -> t='atexit callbacks'(table) -[2]-> m(method) -slot __self__-> x",
               "<atexit callbacks>[2].__self__");
    CHECK_PATH("root -static '_sqlite3.so'-> t='_sqlite3.so'(table) -[]-> x", "<C data of _sqlite3.so>[0]");
    CHECK_PATH("root -static-> x", "<C data>");
    CHECK_PATH("root -static-> t='_json.so'(table) -> d(dict) -[]-> x", "<C data of _json.so> dict[...]");
    CHECK_PATH("root -> t='interned strings'(table) -[]-> x(str)", "<interned strings>[0]");
    CHECK_PATH("root -immortal-> collections.Counter(type) -namespace-> d(dict) -['cache']-> x",
               "collections.Counter.cache");
}

TEST(what_nobody_holds_says_so) {
    struct world world;
    world_make(&world, "root -> m(module); s(shop.Session) -.cart-> x(list); x -[]-> s", "s", REACH_GARBAGE);
    CHECK_TEXT(path_to(&world, "x"), "<nobody: waiting for gc> Session.cart");
    world_end(&world);
    world_make(&world, "root -> m(module); b(bytearray)*2", "b", REACH_NATIVE);
    CHECK_TEXT(path_to(&world, "b"), "<nobody: held by C code> bytearray");
    world_end(&world);
}

TEST(a_folded_step_stands_for_any_key) {
    struct world world;
    world_make(&world, "root -> m(module) -namespace-> ns(dict) -['D']-> d(dict) -['k']-> s(m.S) -.items-> l(list)\n"
                       "l -[9]-> x", NULL, REACH_LIVE);
    struct path_step *steps;
    const struct graph *graph = &world.drawing->graph;
    size_t count = paths_steps(graph, &world.paths, drawn_node(world.drawing, "x"), &world.arena, &steps);
    CHECK_EQUAL(count, 6);
    steps[3].folded = steps[5].folded = true;
    paths_write(graph, &world.reach, steps, count, &world.text);
    CHECK_TEXT(text_get(&world.text), "m.D[...].items[...]");
    text_clear(&world.text);
    paths_write_step(graph, &world.reach, steps, count, 1, &world.text);
    CHECK_TEXT(text_get(&world.text), "");
    paths_write_step(graph, &world.reach, steps, count, 2, &world.text);
    CHECK_TEXT(text_get(&world.text), ".D");
    world_end(&world);
}

TEST(a_module_global_comes_before_a_frame_and_a_frame_before_an_anonymous_root) {
    CHECK_PATH("root -> __main__(module) w(thread); __main__ -namespace-> ns(dict) -['A']-> a(__main__.A) -.b-> x\n"
               "w -> run(activation) -local b-> x",
               "__main__.A.b");
    CHECK_PATH("root -> x w(thread); w -> run(activation) -local b-> x", "thread \"w\" frame run() local b");
    CHECK_PATH("root -> t=callbacks(table) w(thread); t -[]-> x; w -> run(activation) -local b-> x", "<callbacks>[0]");
}

TEST(user_code_comes_before_library_code) {
    CHECK_PATH("root -> ~re(module) app(module); re -namespace-> rd(dict) -['cache']-> x\n"
               "app -namespace-> ad(dict) -['PATTERN']-> x",
               "app.PATTERN");
    CHECK_PATH("root -> ~_ctypes(module) ~ctypes(module); _ctypes -namespace-> a(dict) -['cache']-> x\n"
               "ctypes -namespace-> b(dict) -['cache']-> x",
               "ctypes.cache");
    CHECK_PATH("root -> sys(module)!library ~re(module); re -namespace-> rd(dict) -['C']-> x\n"
               "sys -namespace-> sd(dict) -['modules']-> ms(dict) -['re']-> re",
               "re.C");
}

TEST(an_objects_own_module_comes_before_a_strangers) {
    CHECK_PATH("root -> __main__(module) ~logging(module); ~logging.Logger(type)\n"
               "__main__ -namespace-> ns(dict) -['CONNECTION']-> c(__main__.Connection) -.log-> log(~logging.Logger)\n"
               "log -.manager-> m(~logging.Manager) -.loggerDict-> x(dict)\n"
               "logging -namespace-> ld(dict) -['root']-> r(~logging.RootLogger) -.manager-> m",
               "logging.root.manager.loggerDict");
    CHECK_PATH("root -> a(module) b(module); a -namespace-> ad(dict) -['f']-> f(function) -slot __defaults__-> x\n"
               "b -namespace-> bd(dict) -['f']-> f; f -globals-> bd",
               "b.f.__defaults__");
    /* A function's own module is that of its globals; its builtins are globals, too. */
    CHECK_PATH("root -> ~builtins(module) a(module) b(module); a -namespace-> ad(dict) -['f']-> f(function)\n"
               "b -namespace-> bd(dict) -['f']-> f; f -globals-> bd; builtins -namespace-> nd(dict); f -globals-> nd\n"
               "f -slot __dict__-> x(dict)",
               "b.f.__dict__");
}

TEST(a_module_is_reached_by_its_own_root_only) {
    CHECK_PATH("root -> app(module) sys(module)!library ~os(module) ~json(module) builtins(module)\n"
               "app -namespace-> ad(dict) -['os']-> os; os -namespace-> od(dict) -['environ']-> x",
               "os.environ");
    CHECK_PATH("root -> app(module) ~builtins(module); app -namespace-> ad(dict) -['__builtins__']-> bd(dict)\n"
               "builtins -namespace-> bd -['object']-> x(type)",
               "builtins.object");
}

TEST(a_class_is_named_in_the_module_that_defines_it) {
    struct world world;
    world_make(&world, "root -> app(module) web(module); app -namespace-> ad(dict) -['App']-> App(type)\n"
                       "web -namespace-> wd(dict) -['App']-> App; App -namespace-> cd(dict) -['handlers']-> x(list)\n"
                       "web -namespace-> wd -['app']-> one(web.App)", NULL, REACH_LIVE);
    /* The type record of one says that App is web's: give it the address of the drawn class and look again. */
    struct graph_type *type = (struct graph_type *)(uintptr_t)graph_type_of(&world.drawing->graph,
                                                                          drawn_node(world.drawing, "one"));
    type->address = world.drawing->graph.addresses[drawn_node(world.drawing, "App")];
    paths_compute(&world.drawing->graph, &world.reach, &world.arena, &world.paths);
    CHECK_TEXT(path_to(&world, "x"), "web.App.handlers");
    world_end(&world);
}

TEST(edges_that_explain_nothing_are_taken_last) {
    CHECK_PATH("root -> app(module); app -namespace-> d(dict) -['a']-> a(app.A) -type-> A(type) -slot s-> x\n"
               "d -['b']-> b(app.B) -.c-> c -.d-> e -.f-> x",
               "app.b.c.d.f");
    CHECK_PATH("root -> app(module); app -namespace-> d(dict) -['f']-> f(function) -globals-> g(dict) -['v']-> x\n"
               "d -['list']-> l(list) -[]-> m(list) -[]-> n(list) -[]-> x",
               "app.list[0][0][0]");
    CHECK_PATH("root -> app(module) -namespace-> d(dict) -['A']-> A(type) -base __subclasses__-> B(type) -slot s-> x\n"
               "d -['keep']-> k(app.K) -.a-> k2 -.b-> k3 -.c-> k4 -.d-> x",
               "app.keep.a.b.c.d");
    CHECK_PATH("root -immortal-> T=int(type) -> x; root -> t=callbacks(table) -[0]-> y -.z-> x", "<callbacks>[0].z");
}

/* Two ways to x in one module, the longer one in words that a person would rather hear. */
#define CHECK_RATHER(better, worse, expected)                                                                \
    CHECK_PATH("root -> app(module) -namespace-> d(dict); d -['w']-> " worse "; d -['b']-> " better, expected)

TEST(bystanders_and_caches_are_named_only_if_nobody_else_is) {
    CHECK_RATHER("k(app.K) -.a-> k2 -.b-> k3 -.c-> k4 -.d-> k5 -.e-> x",
                 "t(traceback) -slot tb_frame-> f(frame) -local buf-> x", "app.b.a.b.c.d.e");
    CHECK_RATHER("k(app.K) -.a-> k2 -.b-> k3 -.c-> x", "c(lru_cache) -slot cache-> x", "app.b.a.b.c");
    CHECK_RATHER("k(app.K) -.a-> k2 -.b-> x", "m(dict) -keyobject-> x", "app.b.a.b");
    CHECK_RATHER("k(app.K) -.a-> x", "m(dict) -['k']-> x", "app.b.a");
    CHECK_RATHER("k(app.K) -.a-> x", "l(list) -[0]-> x", "app.b.a");
    CHECK_RATHER("k(app.K) -.a-> k2 -.b-> x", "t(_c.Thing?) -> x", "app.b.a.b");
}

TEST(what_lives_is_not_explained_by_what_does_not) {
    struct world world;
    world_make(&world, "z(app.Z) -.a-> x; root -static-> y -> w -> x", "z", REACH_GARBAGE);
    CHECK_TEXT(path_to(&world, "x"), "<C data>.<unnamed>.<unnamed>");
    world_end(&world);
}

TEST(every_node_comes_after_its_parent_and_costs_more) {
    struct world world;
    world_make(&world, "root -> a(module) b(module) w(thread); a -> c d e; b -> d f; w -> g(activation) -> h c\n"
                       "h -> i j; j -> h k; k -> c; z -> y; y -> z", "z", REACH_GARBAGE);
    const struct graph *graph = &world.drawing->graph;
    const struct paths *paths = &world.paths;
    uint32_t place[32];
    for (uint32_t i = 0; i < graph->node_count; i++)
        place[paths->order[i]] = i;
    CHECK_EQUAL(paths->order[0], NODE_ROOT);
    CHECK_EQUAL(paths->parent[NODE_ROOT], NODE_NONE);
    for (node_id n = 1; n < graph->node_count; n++) {
        node_id parent = paths->parent[n];
        CHECK(parent != NODE_NONE && place[parent] < place[n] && paths->cost[parent] <= paths->cost[n]);
        if (paths->parent_edge[n] == UINT32_MAX) {
            CHECK_EQUAL(n, drawn_node(world.drawing, "z"));
            continue;
        }
        CHECK_EQUAL(graph->out_target[paths->parent_edge[n]], n);
        CHECK(paths->parent_edge[n] >= graph->out_begin[parent] && paths->parent_edge[n] < graph->out_begin[parent + 1]);
    }
    world_end(&world);
}

TEST(a_long_chain_is_followed_to_its_end) {
    struct arena arena = {0};
    struct text text = {0};
    text_add(&text, "root -> n0(module)");
    for (int i = 0; i < 2000; i++)
        text_format(&text, "; n%d -.next-> n%d", i, i + 1);
    struct world world;
    world_make(&world, text_get(&text), NULL, REACH_LIVE);
    CHECK_EQUAL(world.paths.cost[drawn_node(world.drawing, "n2000")], 2000);
    CHECK_EQUAL(strlen(path_to(&world, "n2000")), 2 + 2000 * strlen(".next"));
    world_end(&world);
    text_deinit(&text);
    arena_deinit(&arena);
}

static void (*describe)(void *context, node_id source, struct edge_name *names, struct arena *arena);
static size_t described;

static void counted(void *context, node_id source, struct edge_name *names, struct arena *arena) {
    described++;
    describe(context, source, names, arena);
}

/* All paths lead through one dict, whose keys are asked for once. */
TEST(paths_of_many_nodes_are_the_same_and_cost_less) {
    enum { MANY = 300 };
    struct arena arena = {0};
    struct text text = {0};
    text_add(&text, "root -> m(module) -.STORE-> d(dict)");
    for (int i = 0; i < MANY; i++)
        text_format(&text, "; d -['key %d']-> n%d", i, i);
    struct world world;
    world_make(&world, text_get(&text), NULL, REACH_LIVE);
    struct graph *graph = &world.drawing->graph;
    describe = graph->describe.edge_names;
    graph->describe.edge_names = counted;
    struct path_names names = {0};
    described = 0;
    for (int i = 0; i < MANY; i++) {
        struct path_step *steps;
        const char *label = arena_format(&arena, "n%d", i);
        size_t count = paths_steps_of_many(graph, &world.paths, drawn_node(world.drawing, label), &names, &arena, &steps);
        struct text written = {0};
        paths_write(graph, &world.reach, steps, count, &written);
        CHECK_TEXT(text_get(&written), arena_format(&arena, "m.STORE[\"key %d\"]", i));
        text_deinit(&written);
    }
    CHECK_EQUAL(described, 2 * MANY + 1); /* the one edge of the root and of the module each time, the dict's once */
    path_names_deinit(&names);
    world_end(&world);
    text_deinit(&text);
    arena_deinit(&arena);
}

TEST_MAIN(RUN(a_variable_is_written_as_python_writes_it); RUN(names_that_are_no_identifiers_stay_readable);
          RUN(control_characters_do_not_reach_the_terminal);
          RUN(functions_classes_and_closures_are_written_as_python_writes_them);
          RUN(roots_that_are_no_modules_are_written_in_words); RUN(what_nobody_holds_says_so);
          RUN(a_folded_step_stands_for_any_key);
          RUN(a_module_global_comes_before_a_frame_and_a_frame_before_an_anonymous_root);
          RUN(user_code_comes_before_library_code); RUN(an_objects_own_module_comes_before_a_strangers);
          RUN(a_module_is_reached_by_its_own_root_only);
          RUN(a_class_is_named_in_the_module_that_defines_it); RUN(edges_that_explain_nothing_are_taken_last);
          RUN(bystanders_and_caches_are_named_only_if_nobody_else_is);
          RUN(what_lives_is_not_explained_by_what_does_not);
          RUN(every_node_comes_after_its_parent_and_costs_more); RUN(a_long_chain_is_followed_to_its_end);
          RUN(paths_of_many_nodes_are_the_same_and_cost_less);)
