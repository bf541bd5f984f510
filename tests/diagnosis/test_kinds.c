/* Which kind of leak is named for which shape of growth; who holds it; the look-alike of each that is another
 * kind. */
#include "watched_world.h"

static int many(int step) {
    return 10 + 12 * step;
}

static void shop(struct text *out) {
    text_add(out, "root -> m=shop(module); m -namespace-> g(dict);");
}

static void draw_list(int step, struct text *out) {
    shop(out);
    text_add(out, "g -['AUDIT']-> l(list);");
    repeat(out, many(step), "l -[]-> i@(dict):400; i@ -['page']-> p@(bytes):3000;");
}

TEST(a_list_that_only_grows) {
    struct world *world = watch(draw_list);
    CHECK_TEXT(found(world, 0), "certain growing-container shop.AUDIT");
    CHECK_EQUAL(world->verdict.finding_count, 1);
    CHECK_EQUAL(world->verdict.outcome, VERDICT_LEAK);
    const struct finding *finding = &world->verdict.findings[0];
    CHECK_TEXT(finding->title, "shop.AUDIT grows by 40.8 kB/s");
    CHECK_TEXT(finding->root, "module shop");
    CHECK_TEXT(finding->holder_type, "list");
    CHECK_EQUAL(finding->holder_entries, many(7));
    CHECK_EQUAL(finding->bytes, 3400 * many(7));
    CHECK_EQUAL(finding->exclusive_bytes, 3400 * many(7));
    CHECK_TEXT(finding->grows[0].type, "bytes");
    CHECK_EQUAL(finding->grows[0].count, 84);
    CHECK_EQUAL(finding->grows[0].bytes, 84 * 3000);
    CHECK_TEXT(finding->below[0].edge, "[...]");
    CHECK_TEXT(finding->below[0].type, "dict");
    CHECK_EQUAL(finding->below[0].objects, many(7));
    CHECK(has_evidence(world, "grew in 7 of 7 intervals"));
    CHECK(has_evidence(world, "84 more items in 7.0 s"));
}

static void draw_dict(int step, struct text *out) {
    shop(out);
    text_add(out, "g -['STORE']-> s(shop.Store); s -.pending-> d(dict);");
    repeat(out, many(step), "d -['key@']-> i@(bytes):3000;");
}

TEST(a_dict_that_only_grows) {
    struct world *world = watch(draw_dict);
    CHECK_TEXT(found(world, 0), "certain growing-container shop.STORE.pending");
    CHECK_TEXT(world->verdict.findings[0].cause, "a dict that only grows: keys are added, none is removed");
}

static void draw_called_cache(int step, struct text *out) {
    shop(out);
    text_add(out, "g -['_price_cache']-> d(dict);");
    repeat(out, many(step), "d -['key@']-> i@(bytes):3000;");
}

static void draw_lru_cache(int step, struct text *out) {
    shop(out);
    text_add(out, "g -['price']-> c(lru_cache)<-1; c -> d(dict);");
    repeat(out, many(step), "d -['key@']-> i@(bytes):3000;");
}

TEST(caches_without_a_limit) {
    CHECK_TEXT(found(watch(draw_called_cache), 0), "certain unbounded-cache shop._price_cache");
    CHECK_TEXT(found(watch(draw_lru_cache), 0), "certain unbounded-cache shop.price");
}

static void draw_methods(int step, struct text *out) {
    shop(out);
    text_add(out, "g -['BUS']-> b(shop.Bus); b -.listeners-> l(list);");
    repeat(out, many(step),
           "l -[]-> i@(method):64; i@ -slot __self__-> v@(shop.View); v@ -.page-> p@(bytes):3000;");
}

static void draw_dead_weakrefs(int step, struct text *out) {
    shop(out);
    text_add(out, "g -['SIGNAL']-> l(list);");
    repeat(out, 10 * many(step), "l -[]-> i@(weakref):88;");
}

static void draw_handlers(int step, struct text *out) {
    shop(out);
    text_add(
        out,
        "h=logging.Handler(type)!library; sh=logging.StreamHandler(type)!library; sh -base-> h; root -> sh;"
        "g -['LOG']-> lg(~logging.Logger); lg -.handlers-> l(list);");
    repeat(out, many(step), "l -[]-> i@(~logging.StreamHandler):500; i@ -.stream-> s@(~io.StringIO):2000;");
}

static void draw_atexit(int step, struct text *out) {
    text_add(out, "root -> t='atexit callbacks'(table);");
    repeat(out, many(step), "t -[]-> i@(method):64; i@ -slot __self__-> v@(shop.Session):3000;");
}

TEST(callbacks_that_are_never_removed) {
    struct world *world = watch(draw_methods);
    CHECK_TEXT(found(world, 0), "certain registered-callback shop.BUS.listeners");
    CHECK_TEXT(world->verdict.findings[0].below[1].edge, ".__self__");
    CHECK_TEXT(world->verdict.findings[0].below[1].type, "shop.View");
    CHECK_TEXT(found(watch(draw_dead_weakrefs), 0), "certain registered-callback shop.SIGNAL");
    CHECK_TEXT(found(watch(draw_atexit), 0), "certain registered-callback <atexit callbacks>");
}

TEST(handlers_are_known_by_their_base_class) {
    CHECK_TEXT(found(watch(draw_handlers), 0), "certain registered-callback shop.LOG.handlers");
}

static void draw_closures(int step, struct text *out) {
    shop(out);
    text_add(out, "g -['WAITING']-> l(list);");
    repeat(out, many(step),
           "l -[]-> f@(function):150; f@ -slot __closure__-> t@(tuple):50; t@ -[0]-> c@(cell):40; c@ -cell-> "
           "r@(bytes):3000;");
}

static void draw_plain_functions(int step, struct text *out) {
    shop(out);
    text_add(out, "g -['HOOKS']-> l(list);");
    repeat(out, many(step), "l -[]-> f@(function):3000;");
}

TEST(closures_that_captured_much) {
    CHECK_TEXT(found(watch(draw_closures), 0), "certain captured-closure shop.WAITING");
    CHECK_TEXT(found(watch(draw_plain_functions), 0), "certain registered-callback shop.HOOKS");
}

/* Two cells: only one of them grows. */
static void draw_in_cell(int step, struct text *out) {
    shop(out);
    text_add(
        out,
        "g -['scan']-> f(function); f -slot __closure__-> t(tuple); t -[0]-> a(cell):40; t -[1]-> b(cell):40;"
        "a -cell-> x(list):50; x -[]-> y(bytes):90; b -cell-> l(list):50;");
    repeat(out, many(step), "l -[]-> i@(bytes):3000;");
}

TEST(a_position_is_told_where_one_object_has_it_all) {
    CHECK_TEXT(found(watch(draw_in_cell), 0),
               "certain growing-container shop.scan.__closure__[1].cell_contents");
}

static void draw_exceptions(int step, struct text *out) {
    shop(out);
    text_add(out, "g -['ERRORS']-> l(list);");
    repeat(out, many(step),
           "l -[]-> e@(shop.Boom!):100; e@ -slot __traceback__-> t@(traceback):60; t@ -slot tb_frame-> "
           "f@(frame):300;"
           "f@ -local buffer-> b@(bytes):3000;");
}

static void draw_generators(int step, struct text *out) {
    shop(out);
    text_add(out, "g -['STREAMS']-> l(list);");
    repeat(out, many(step), "l -[]-> g@(generator):200; g@ -local rows-> r@(list):3000;");
}

TEST(frames_that_should_be_gone) {
    struct world *world = watch(draw_exceptions);
    CHECK_TEXT(found(world, 0), "certain pinned-frame shop.ERRORS");
    CHECK(strstr(world->verdict.findings[0].cause, "traceback") != NULL);
    world = watch(draw_generators);
    CHECK_TEXT(found(world, 0), "certain pinned-frame shop.STREAMS");
    CHECK(strstr(world->verdict.findings[0].cause, "generator") != NULL);
}

static void draw_tasks(int step, struct text *out) {
    shop(out);
    text_add(out, "g -['TASKS']-> l(set);");
    repeat(
        out, many(step),
        "l -[]-> t@(~_asyncio.Task):200; t@ -slot coro-> c@(coroutine):200; c@ -local order-> o@(str):3000;");
}

static void draw_context(int step, struct text *out) {
    text_add(out, "root -> th=MainThread(thread); th -slot context-> c(~_contextvars.Context); c -slot "
                  "vars-> h(hamt);");
    repeat(out, many(step), "h -[]-> v@(~_contextvars.ContextVar):100; h -[]-> d@(dict):3000;");
}

TEST(tasks_and_contexts_that_stay) {
    CHECK_TEXT(found(watch(draw_tasks), 0), "certain pending-task shop.TASKS");
    CHECK_TEXT(found(watch(draw_context), 0), "certain pending-task thread \"MainThread\" context");
}

static void draw_thread_keys(int step, struct text *out) {
    shop(out);
    text_add(out, "g -['BUFFERS']-> d(dict);");
    repeat(out, many(step), "d -keyobject-> t@(~threading.Thread):500; d -[]-> b@(bytes):3000;");
}

static void draw_threads(int step, struct text *out) {
    text_add(out, "root -> main=MainThread(thread); main -> r0=run(activation);");
    repeat(out, many(step),
           "root -> t@='Thread-@'(thread); t@ -> a@=run(activation); a@ -local rows-> l@(list):3000;");
}

static void draw_threads_and_their_objects(int step, struct text *out) {
    draw_threads(step, out);
    text_add(out, "root -> m=threading(module)!library; m -namespace-> g(dict); g -['_active']-> d(dict);");
    repeat(out, many(step) - (step == 7), "d -[]-> o@(~threading.Thread):6000;");
}

TEST(threads_and_their_objects_are_one_finding) {
    struct world *world = watch(draw_threads_and_their_objects);
    CHECK_EQUAL(world->verdict.finding_count, 1);
    CHECK_TEXT(found(world, 0), "certain thread-retention threading._active");
}

TEST(threads_that_stay) {
    CHECK_TEXT(found(watch(draw_thread_keys), 0), "certain thread-retention shop.BUFFERS");
    CHECK(strncmp(found(watch(draw_threads), 0), "certain thread-retention <threads>", 34) == 0);
}

static void draw_warnings(int step, struct text *out) {
    shop(out);
    text_add(out, "g -['__warningregistry__']-> d(dict);");
    repeat(out, many(step), "d -keyobject-> t@(tuple):70; t@ -[0]-> s@(str):3000;");
}

static void draw_interned(int step, struct text *out) {
    text_add(out, "root -> t='interned strings'(table);");
    repeat(out, many(step), "t -[]-> s@(str):3000;");
}

static void draw_loggers(int step, struct text *out) {
    text_add(out, "root -> m=logging(module)!library; m -namespace-> g(dict); g -['root']-> "
                  "r(~logging.RootLogger); r -.manager-> mg(~logging.Manager);"
                  "mg -.loggerDict-> d(dict);");
    repeat(out, many(step), "d -['c@']-> l@(~logging.Logger):3000;");
}

TEST(tables_of_the_interpreter) {
    CHECK_TEXT(found(watch(draw_warnings), 0), "certain interpreter-registry shop.__warningregistry__");
    struct world *world = watch(draw_interned);
    CHECK_TEXT(found(world, 0), "certain interpreter-registry <interned strings>");
    CHECK(strstr(world->verdict.findings[0].cause, "interned") != NULL);
    CHECK_TEXT(found(watch(draw_loggers), 0), "certain interpreter-registry logging.root.manager.loggerDict");
}

static void draw_views(int step, struct text *out) {
    shop(out);
    text_add(out, "g -['PEAKS']-> l(list);");
    repeat(out, many(step), "l -[]-> v@(memoryview):100; v@ -slot obj-> b@(bytes):3000;");
}

static void draw_owning_arrays(int step, struct text *out) {
    shop(out);
    text_add(out, "g -['PEAKS']-> l(list);");
    repeat(out, many(step), "l -[]-> v@(~numpy.ndarray):3000;");
}

TEST(views_that_keep_a_large_base) {
    CHECK_TEXT(found(watch(draw_views), 0), "certain pinned-buffer shop.PEAKS");
    CHECK_TEXT(found(watch(draw_owning_arrays), 0), "certain growing-container shop.PEAKS");
}

static void draw_queue(int step, struct text *out) {
    shop(out);
    text_add(out, "g -['OUTBOX']-> q(~queue.Queue); q -.queue-> d(deque);");
    repeat(out, many(step), "d -[]-> i@(bytes):3000;");
}

TEST(a_queue_that_nobody_empties) {
    CHECK_TEXT(found(watch(draw_queue), 0), "certain unconsumed-queue shop.OUTBOX.queue");
}

static void draw_native(int step, struct text *out) {
    shop(out);
    repeat(out, many(step), "i@(dict):400*1; i@ -['page']-> p@(bytes):3000;");
}

TEST(references_that_c_code_forgot) {
    struct world *world = watch(draw_native);
    CHECK_TEXT(found(world, 0), "certain refcount-leak <nobody: held by C code>");
    CHECK_TEXT(world->verdict.findings[0].grows[0].type, "bytes");
    CHECK(has_evidence(world, "objects of type dict hold"));
    CHECK(has_evidence(world, "references more than anything in the process explains; +12 per second"));
    CHECK(has_evidence(world, "such as the one at 0x"));
}

/* A C object of each request has two texts behind a pointer, and waits with the request for the collector. */
static void draw_requests(int count, struct text *out) {
    repeat(out, count,
           "r@(shop.Request):400; h@(_headers.Headers?):80; r@ -.headers-> h@; h@ -slot-> r@; s@(str):1500*1; t@(str):1500*1;");
}

static void draw_hidden_in_garbage(int step, struct text *out) {
    shop(out);
    draw_requests(many(step), out);
}

static void draw_forgotten_beside_garbage(int step, struct text *out) {
    shop(out);
    draw_requests(10 + 12 * (step % 3), out);
    repeat(out, many(step), "f@(str):3000*1;");
}

TEST(what_c_objects_among_the_garbage_hold_is_no_leak_of_c_code) {
    struct world *world = watch(draw_hidden_in_garbage);
    CHECK_EQUAL(world->verdict.finding_count, 0);
    CHECK_EQUAL(world->verdict.outcome, VERDICT_NO_LEAK);
    world = watch(draw_forgotten_beside_garbage);
    CHECK_EQUAL(world->verdict.outcome, VERDICT_LEAK);
    CHECK(strstr(found(world, 0), "refcount-leak <nobody: held by C code>") != NULL);
}

static void draw_garbage(int step, struct text *out) {
    shop(out);
    repeat(out, many(step), "a@(shop.Invoice):400; b@(shop.Line):3000; a@ -.line-> b@; b@ -.invoice-> a@;");
}

TEST(garbage_with_the_collector_off) {
    struct heap_facts facts = world_facts();
    facts.gc_enabled = false;
    struct world *world = watch_with(draw_garbage, WORLD_SNAPSHOTS, &facts);
    CHECK_TEXT(found(world, 0), "certain waiting-cycle <nobody: waiting for gc>");
    CHECK_TEXT(world->verdict.findings[0].grows[0].type, "shop.Line");
    CHECK(has_evidence(world, "gc.isenabled() is False"));
    facts = world_facts();
    facts.gc_threshold[0] = 1000000;
    CHECK_TEXT(found(watch_with(draw_garbage, WORLD_SNAPSHOTS, &facts), 0),
               "certain waiting-cycle <nobody: waiting for gc>");
    facts.gc_threshold[0] = 0;
    CHECK_TEXT(found(watch_with(draw_garbage, WORLD_SNAPSHOTS, &facts), 0),
               "certain waiting-cycle <nobody: waiting for gc>");
}

static void draw_frozen(int step, struct text *out) {
    shop(out);
    repeat(out, many(step),
           "a@(shop.Rules):400!permanent; b@(shop.Rule):300!permanent; a@ -.rule-> b@; b@ -.rules-> a@;"
           "b@ -.text-> t@(str):3000;");
}

TEST(garbage_that_was_frozen) {
    struct world *world = watch(draw_frozen);
    CHECK_TEXT(found(world, 0), "certain waiting-cycle <nobody: waiting for gc>");
    CHECK(strstr(world->verdict.findings[0].cause, "gc.freeze()") != NULL);
}

TEST_MAIN(RUN(a_list_that_only_grows); RUN(a_dict_that_only_grows); RUN(caches_without_a_limit);
          RUN(callbacks_that_are_never_removed); RUN(handlers_are_known_by_their_base_class);
          RUN(closures_that_captured_much); RUN(a_position_is_told_where_one_object_has_it_all);
          RUN(frames_that_should_be_gone); RUN(tasks_and_contexts_that_stay); RUN(threads_that_stay);
          RUN(threads_and_their_objects_are_one_finding); RUN(tables_of_the_interpreter);
          RUN(views_that_keep_a_large_base); RUN(a_queue_that_nobody_empties);
          RUN(references_that_c_code_forgot);
          RUN(what_c_objects_among_the_garbage_hold_is_no_leak_of_c_code); RUN(garbage_with_the_collector_off);
          RUN(garbage_that_was_frozen);)
