/* growth.h: worlds that are drawn anew for each of eight snapshots, one second apart; who is said to grow. */
#include "analysis/growth.h"
#include "base/map.h"
#include "support/check.h"
#include "support/drawn_graph.h"

enum { SNAPSHOTS = 8, LEAST = 1000 };

/* Draws the heap as it is in snapshot `step`, from 0. */
typedef void draw_function(int step, struct text *out);

struct world {
    struct arena arena;
    struct drawn_graph *drawing;
    struct reach reach;
    struct paths paths;
    struct observation observations[12];
    struct growth growth;
};

static void look(struct world *world, int step, const char *text) {
    struct observation *observation = &world->observations[step];
    world->drawing = drawn_graph_make(text, &world->arena);
    reach_compute(&world->drawing->graph, &world->arena, &world->reach);
    paths_compute(&world->drawing->graph, &world->reach, &world->arena, &world->paths);
    path_tree_build(&world->drawing->graph, &world->reach, &world->paths, NULL, &world->arena, &observation->tree);
    observation->time = step;
    observation->bytes = world->reach.bytes[REACH_LIVE] + world->reach.bytes[REACH_NATIVE];
    observation->objects = world->reach.objects[REACH_LIVE] + world->reach.objects[REACH_NATIVE];
    observation->garbage_bytes = world->reach.bytes[REACH_GARBAGE];
    observation->native_bytes = world->reach.bytes[REACH_NATIVE];
}

static struct world *watch_times(draw_function *draw, int snapshots) {
    static struct world world;
    arena_deinit(&world.arena);
    world = (struct world){0};
    for (int step = 0; step < snapshots; step++) {
        struct text text = {0};
        draw(step, &text);
        look(&world, step, text_get(&text));
        text_deinit(&text);
    }
    growth_compute(world.observations, (size_t)snapshots, LEAST, &world.arena, &world.growth);
    return &world;
}

static struct world *watch(draw_function *draw) {
    return watch_times(draw, SNAPSHOTS);
}

static const char *path_of(struct world *world, node_id node) {
    struct path_step *steps;
    struct text text = {0};
    size_t count = paths_steps(&world->drawing->graph, &world->paths, node, &world->arena, &steps);
    paths_write(&world->drawing->graph, &world->reach, steps, count, &text);
    const char *path = arena_copy_text(&world->arena, text_get(&text), text.length);
    text_deinit(&text);
    return path;
}

/* The paths of all holders, or of all that settled. */
static const char *paths_of(struct world *world, const struct growth_holder *holders, size_t count) {
    struct text text = {0};
    for (size_t i = 0; i < count; i++)
        text_format(&text, "%s%s", i ? ", " : "", path_of(world, holders[i].example));
    const char *paths = arena_copy_text(&world->arena, text_get(&text), text.length);
    text_deinit(&text);
    return paths;
}

static const char *leaks(struct world *world) {
    return paths_of(world, world->growth.holders, world->growth.count);
}

static const char *settled(struct world *world) {
    return paths_of(world, world->growth.settled, world->growth.settled_count);
}

static void module(struct text *out) {
    text_add(out, "root -> shop(module):100 -namespace-> ns(dict):500\n");
}

/* "name[0..count)" below the container: instances of shop.Item with a bytes each. */
static void items(struct text *out, const char *container, const char *name, int count, int bytes) {
    for (int i = 0; i < count; i++)
        text_format(out, "%s -[]-> %s%d(shop.Item):48 -.data-> %s%d_data(bytes):%d\n", container, name, i, name, i, bytes);
}

/* The same dict, found now by one attribute and now by another. */
static void draw_two_ways(int step, struct text *out) {
    module(out);
    text_add(out, "ns -['desk']-> desk(shop.Desk):48\n");
    text_add(out, step % 2 ? "desk -.open-> store(dict):100\n" : "desk -.shut-> store(dict):100\n");
    items(out, "store", "item", 100 + 10 * step, 100);
}

/* The same desk, at the end in a table of what is at work just now. */
static void draw_at_work(int step, struct text *out) {
    module(out);
    text_add(out, step == SNAPSHOTS - 1 ? "ns -['current']-> current(dict):100 -[]-> desk(shop.Desk):48\n"
                                        : "ns -['current']-> current(dict):100; ns -['desk']-> desk(shop.Desk):48\n");
    text_add(out, "desk -.open-> store(dict):100\n");
    items(out, "store", "item", 100 + 10 * step, 100);
}

TEST(a_container_is_itself_whatever_path_leads_to_it) {
    CHECK_TEXT(leaks(watch(draw_two_ways)), "shop.desk.open");
    CHECK_TEXT(leaks(watch(draw_at_work)), "shop.current[...].open");
}

static void draw_quiet(int step, struct text *out) {
    module(out);
    text_add(out, "ns -['STORE']-> store(dict):100\n");
    items(out, "store", "item", 20 + step % 2, 100);
}

TEST(a_quiet_heap_has_no_growth) {
    struct world *world = watch(draw_quiet);
    CHECK_TEXT(leaks(world), "");
    CHECK_TEXT(settled(world), "");
}

static void draw_store(int step, struct text *out) {
    module(out);
    text_add(out, "ns -['STORE']-> store(dict):100; ns -['CONFIG']-> config(dict):9000\n");
    items(out, "config", "setting", 5, 10);
    for (int i = 0; i < 70 + 10 * step; i++)
        text_format(out, "store -['s%d']-> s%d(shop.Session):48 -.cart-> c%d(list):56 -[]-> i%d(bytes):100\n", i, i, i, i);
}

TEST(a_dict_that_only_grows) {
    struct world *world = watch(draw_store);
    CHECK_TEXT(leaks(world), "shop.STORE");
    CHECK_TEXT(settled(world), "");
    const struct growth_holder *holder = &world->growth.holders[0];
    CHECK_EQUAL(holder->grown_bytes, 70 * 204);
    CHECK_EQUAL(holder->grown_objects, 210);
    CHECK(holder->bytes.verdict == SERIES_GROWS && holder->bytes.slope > 2039 && holder->bytes.slope < 2041);
    CHECK(holder->share > 0.99);
    CHECK_EQUAL(holder->type_count, 3);
    CHECK(span_is(holder->types[0].name, "bytes") && holder->types[0].count == 70 && holder->types[0].bytes == 7000);
    CHECK(span_is(holder->types[1].name, "list") && span_is(holder->types[2].name, "Session"));
    CHECK(span_is(holder->types[2].module, "shop"));
    CHECK(holder->child != UINT32_MAX);
    const struct path_tree *tree = &world->observations[SNAPSHOTS - 1].tree;
    CHECK(span_is(tree->types[tree->nodes[holder->child].type].name, "Session"));
    CHECK_EQUAL(tree->nodes[holder->child].objects, 140);
    CHECK_EQUAL(tree->nodes[holder->child].subtree_bytes, 140 * 204);
}

/* Keys have names at first, then there are too many of them. */
static void draw_small_store(int step, struct text *out) {
    module(out);
    text_add(out, "ns -['STORE']-> store(dict):100\n");
    for (int i = 0; i < 30 + 10 * step; i++)
        text_format(out, "store -['s%d']-> s%d(shop.Session):148\n", i, i);
}

TEST(a_dict_that_outgrows_its_names) {
    struct world *world = watch(draw_small_store);
    CHECK_TEXT(leaks(world), "shop.STORE");
    CHECK_EQUAL(world->growth.holders[0].grown_objects, 70);
    CHECK_EQUAL(world->growth.holders[0].types[0].count, 70);
}

static void draw_directory(int step, struct text *out) {
    module(out);
    text_add(out, "ns -['DIRECTORY']-> d(dict):100; d -['channels']-> ch(list):56; d -['users']-> us(list):56; d -['roles']-> ro(list):56\n");
    items(out, "ch", "channel", 5 + 3 * step, 1000);
    items(out, "us", "user", 5 + 6 * step, 1000);
    items(out, "ro", "role", 9, 1000);
}

TEST(two_values_of_one_dict_are_two_holders) {
    struct world *world = watch(draw_directory);
    CHECK_TEXT(leaks(world), "shop.DIRECTORY[\"users\"], shop.DIRECTORY[\"channels\"]");
    CHECK(world->growth.holders[0].share > 0.6 && world->growth.holders[0].share < 0.7);
}

/* Ten sessions stay ten; each of their histories grows. */
static void draw_histories(int step, struct text *out) {
    module(out);
    text_add(out, "ns -['SESSIONS']-> ss(list):200\n");
    for (int s = 0; s < 10; s++) {
        text_format(out, "ss -[]-> s%d(shop.Session):48 -.history-> h%d(list):56\n", s, s);
        for (int i = 0; i < 2 + step; i++)
            text_format(out, "h%d -[]-> e%d_%d(bytes):90\n", s, s, i);
    }
}

TEST(containers_of_many_instances_are_one_holder) {
    struct world *world = watch(draw_histories);
    CHECK_EQUAL(world->growth.count, 1);
    CHECK_TEXT(leaks(world), "shop.SESSIONS[0].history");
    const struct path_tree *tree = &world->observations[SNAPSHOTS - 1].tree;
    CHECK_EQUAL(tree->nodes[world->growth.holders[0].node].objects, 10);
    CHECK_EQUAL(world->growth.holders[0].grown_objects, 70);
}

static void draw_linked_list(int step, struct text *out) {
    module(out);
    text_add(out, "ns -['HEAD']-> n0(shop.Node):148");
    for (int i = 1; i < 20 + 5 * step; i++)
        text_format(out, " -.next-> n%d(shop.Node):148", i);
    text_add(out, "\n");
}

TEST(a_linked_list_is_held_by_its_head) {
    struct world *world = watch(draw_linked_list);
    CHECK_TEXT(leaks(world), "shop.HEAD");
    CHECK_EQUAL(world->growth.holders[0].types[0].count, 35);
}

/* Classes made anew for each request: all of one name, each with a namespace. */
static void draw_classes(int step, struct text *out) {
    module(out);
    text_add(out, "ns -['REGISTRY']-> registry(list):56\n");
    for (int i = 0; i < 3 + 4 * step; i++)
        text_format(out, "registry -[]-> k%d=shop.Row(type):1064 -['f']-> f%d(function):136\n", i, i);
}

TEST(classes_made_again_and_again) {
    struct world *world = watch(draw_classes);
    CHECK_TEXT(leaks(world), "shop.REGISTRY");
    CHECK(span_is(world->growth.holders[0].types[0].name, "type"));
    CHECK_EQUAL(world->growth.holders[0].types[0].count, 28);
}

static void draw_deque(int step, struct text *out) {
    module(out);
    text_add(out, "ns -['RECENT']-> recent(deque):600<60\n");
    items(out, "recent", "event", step < 5 ? 10 + 10 * step : 60, 100);
}

TEST(a_deque_that_fills_settles) {
    struct world *world = watch(draw_deque);
    CHECK_TEXT(leaks(world), "");
    CHECK_TEXT(settled(world), "shop.RECENT");
    CHECK_EQUAL(world->growth.settled[0].bytes.verdict, SERIES_LEVELS_OFF);
    CHECK_EQUAL(world->growth.settled[0].grown_objects, 100);
}

/* The same objects, but from the fourth snapshot on another variable is the shorter way to them. */
static void draw_flip(int step, struct text *out) {
    module(out);
    text_format(out, "ns -['OLD']-> old(list):56; ns -['NEW']-> new(list):56; ns -['GROWS']-> grows(list):56\n");
    items(out, step < 4 ? "old" : "new", "item", 30, 100);
    items(out, "grows", "growing", 5 + 10 * step, 100);
}

TEST(a_change_of_holder_is_no_growth) {
    struct world *world = watch(draw_flip);
    CHECK_TEXT(leaks(world), "shop.GROWS");
    CHECK_EQUAL(world->growth.settled_count, 1);
}

/* Objects wander from one holder to the other; together they stay the same. */
static void draw_moving(int step, struct text *out) {
    module(out);
    text_add(out, "ns -['QUEUE']-> q(shop.Queue):48; q -.todo-> todo(list):56; q -.done-> done(deque):600<90\n");
    items(out, "todo", "todo", 80 - 10 * step, 100);
    items(out, "done", "done", 10 + 10 * step, 100);
}

TEST(what_moves_within_a_holder_is_not_its_growth) {
    struct world *world = watch(draw_moving);
    CHECK_TEXT(leaks(world), "");
}

static void draw_buffer(int step, struct text *out) {
    module(out);
    text_format(out, "ns -['BUFFER']-> buffer(bytes):%d\n", 5000 + 3000 * step);
}

TEST(a_buffer_grows_without_any_object) {
    struct world *world = watch(draw_buffer);
    CHECK_TEXT(leaks(world), "shop.BUFFER");
    CHECK_EQUAL(world->growth.holders[0].grown_objects, 0);
    CHECK_EQUAL(world->growth.holders[0].child, UINT32_MAX);
    CHECK(span_is(world->growth.holders[0].types[0].name, "bytes"));
}

static void draw_garbage(int step, struct text *out) {
    module(out);
    for (int i = 0; i < 5 + 5 * step; i++)
        text_format(out, "a%d(shop.Left):200 -.other-> b%d(shop.Right):200 -.other-> a%d\n", i, i, i);
}

TEST(garbage_grows_in_its_own_series) {
    struct world *world = watch(draw_garbage);
    CHECK_TEXT(leaks(world), "");
    CHECK_TEXT(settled(world), "");
    CHECK_EQUAL(world->growth.garbage.verdict, SERIES_GROWS);
    CHECK_EQUAL(world->growth.live.verdict, SERIES_FLAT);
}

static void draw_native(int step, struct text *out) {
    module(out);
    for (int i = 0; i < 5 + 5 * step; i++)
        text_format(out, "p%d(shop.Printer):200*1 -.name-> p%d_name(bytes):100\n", i, i);
}

TEST(objects_that_nobody_shows_stand_for_themselves) {
    struct world *world = watch(draw_native);
    CHECK_EQUAL(world->growth.count, 1);
    const struct growth_holder *holder = &world->growth.holders[0];
    const struct path_node *node = &world->observations[SNAPSHOTS - 1].tree.nodes[holder->node];
    CHECK_EQUAL(node->reach, REACH_NATIVE);
    CHECK_EQUAL(node->objects, 40);
    CHECK_EQUAL(holder->grown_bytes, 35 * 300);
    CHECK(span_is(holder->types[0].name, "Printer") && holder->types[0].count == 35);
}

static void draw_threads(int step, struct text *out) {
    module(out);
    for (int i = 0; i < 3 + 3 * step; i++)
        text_format(out, "root -> 'worker-%d'(thread) -> run%d=run(activation) -local buffer-> b%d(bytes):2000\n", i, i, i);
}

TEST(threads_that_multiply_stand_for_themselves) {
    struct world *world = watch(draw_threads);
    CHECK_EQUAL(world->growth.count, 1);
    const struct path_node *node = &world->observations[SNAPSHOTS - 1].tree.nodes[world->growth.holders[0].node];
    CHECK_EQUAL(node->kind, EDGE_THREAD);
    CHECK_EQUAL(node->objects, 24);
    CHECK_EQUAL(world->growth.holders[0].grown_bytes, 21 * 2000);
}

static void draw_modules(int step, struct text *out) {
    module(out);
    text_add(out, "root -> ~sys(module) -namespace-> sysns(dict):500 -['modules']-> table(dict):500\n");
    for (int i = 0; i < 2 + 2 * step; i++)
        text_format(out, "root -> rules_%d(module):72 -namespace-> rulesns%d(dict):1000; table -['rules_%d']-> rules_%d\n", i, i, i, i);
}

TEST(modules_that_multiply_are_held_by_their_table) {
    struct world *world = watch(draw_modules);
    CHECK_TEXT(leaks(world), "sys.modules");
    CHECK_EQUAL(world->growth.holders[0].grown_bytes, 14 * 1072);
    CHECK(span_is(world->growth.holders[0].types[0].name, "dict") && world->growth.holders[0].types[0].count == 14);
}

static void draw_attributes(int step, struct text *out) {
    module(out);
    text_add(out, "ns -['APP']-> app(shop.App):48 -namespace-> appns(dict):300 -['bus']-> bus(shop.Bus):48 -namespace-> busns(dict):300\n");
    text_add(out, "busns -['listeners']-> listeners(list):56; appns -['routes']-> routes(list):56\n");
    items(out, "listeners", "listener", 2 + 5 * step, 100);
    items(out, "routes", "route", 20, 100);
}

TEST(a_list_of_an_instance_behind_an_instance) {
    CHECK_TEXT(leaks(watch(draw_attributes)), "shop.APP.bus.listeners");
}

/* A tree that grows at its leaves: nodes of every depth are one path node. */
static void draw_tree(int step, struct text *out) {
    module(out);
    text_add(out, "ns -['ROOT']-> t0(shop.Node):100\n");
    for (int i = 1; i < 15 + 6 * step; i++) {
        if (i % 2)
            text_format(out, "t%d -.children-> l%d(list):72\n", (i - 1) / 2, (i - 1) / 2);
        text_format(out, "l%d -[]-> t%d(shop.Node):100\n", (i - 1) / 2, i);
    }
}

TEST(a_tree_is_held_by_its_top) {
    struct world *world = watch(draw_tree);
    CHECK_EQUAL(world->growth.count, 1);
    CHECK_TEXT(leaks(world), "shop.ROOT");
    CHECK(span_is(world->growth.holders[0].types[0].name, "Node") && world->growth.holders[0].types[0].count == 42);
}

static void draw_slower_and_slower(int step, struct text *out) {
    static const int entries[] = {0, 40, 80, 120, 135, 150, 165, 180};
    module(out);
    text_add(out, "ns -['STORE']-> store(dict):100\n");
    items(out, "store", "entry", 100 + entries[step], 100);
}

/* A third of the speed in the second half: a warm-up, unless the program had only a third of the processor. */
TEST(a_program_that_starves_leaks_as_fast_as_it_works) {
    struct world *world = watch(draw_slower_and_slower);
    CHECK_TEXT(leaks(world), "");
    CHECK_TEXT(settled(world), "shop.STORE");
    static const double work[] = {0, 1, 2, 3, 3.4, 3.7, 4.1, 4.5};
    for (int step = 0; step < SNAPSHOTS; step++)
        world->observations[step].work = work[step];
    growth_compute(world->observations, SNAPSHOTS, LEAST, &world->arena, &world->growth);
    CHECK_TEXT(leaks(world), "shop.STORE");
    CHECK(world->growth.holders[0].bytes.slope < 148 * 40); /* per second of the clock, all the same */
}

/* A server that has fewer requests in the second half waits for fewer; a warm-up waits for as many as before. */
TEST(a_program_with_less_to_do_leaks_as_fast_as_it_works) {
    struct world *world = watch(draw_slower_and_slower);
    static const double fewer[] = {0, 300, 600, 900, 1000, 1110, 1220, 1330}, as_many[] = {0, 300, 600, 900, 1200, 1500, 1800, 2100},
                        too_few[] = {0, 30, 60, 90, 100, 111, 122, 133};
    const struct {
        const double *rests;
        const char *leaks, *settled;
    } cases[] = {{fewer, "shop.STORE", ""}, {as_many, "", "shop.STORE"}, {too_few, "", "shop.STORE"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (int step = 0; step < SNAPSHOTS; step++)
            world->observations[step].rests = cases[i].rests[step];
        growth_compute(world->observations, SNAPSHOTS, LEAST, &world->arena, &world->growth);
        CHECK_TEXT(leaks(world), cases[i].leaks);
        CHECK_TEXT(settled(world), cases[i].settled);
    }
}

TEST(three_snapshots_are_too_few) {
    struct world *world = watch_times(draw_store, 3);
    CHECK_EQUAL(world->growth.count, 0);
    CHECK_TEXT(settled(world), "shop.STORE");
    CHECK_EQUAL(world->growth.settled[0].bytes.verdict, SERIES_TOO_SHORT);
    world = watch_times(draw_store, 4);
    CHECK_TEXT(leaks(world), "shop.STORE");
    world = watch_times(draw_store, 1);
    CHECK_EQUAL(world->growth.count + world->growth.settled_count, 0);
}

TEST_MAIN(RUN(a_quiet_heap_has_no_growth); RUN(a_dict_that_only_grows); RUN(a_dict_that_outgrows_its_names);
          RUN(two_values_of_one_dict_are_two_holders); RUN(containers_of_many_instances_are_one_holder);
          RUN(a_linked_list_is_held_by_its_head); RUN(classes_made_again_and_again); RUN(a_deque_that_fills_settles);
          RUN(a_change_of_holder_is_no_growth); RUN(what_moves_within_a_holder_is_not_its_growth);
          RUN(a_buffer_grows_without_any_object); RUN(garbage_grows_in_its_own_series);
          RUN(objects_that_nobody_shows_stand_for_themselves); RUN(threads_that_multiply_stand_for_themselves);
          RUN(modules_that_multiply_are_held_by_their_table); RUN(a_list_of_an_instance_behind_an_instance);
          RUN(a_tree_is_held_by_its_top); RUN(three_snapshots_are_too_few); RUN(a_program_that_starves_leaks_as_fast_as_it_works);
          RUN(a_program_with_less_to_do_leaks_as_fast_as_it_works); RUN(a_container_is_itself_whatever_path_leads_to_it);)
