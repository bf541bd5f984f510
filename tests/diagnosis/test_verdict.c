/* What is no leak, and why; the outcome; ranks, findings that share a cause, one snapshot, the resident
 * memory. */
#include "watched_world.h"

static void shop(struct text *out) {
    text_add(out, "root -> m=shop(module); m -namespace-> g(dict);");
}

static void draw_deque(int step, struct text *out) {
    shop(out);
    text_add(out, "g -['EVENTS']-> d(deque)<2000;");
    repeat(out, 10 + 12 * step, "d -[]-> i@(bytes):3000;");
}

static void draw_lru_cache(int step, struct text *out) {
    shop(out);
    text_add(out, "g -['rates']-> c(lru_cache)<1024; c -> d(dict);");
    repeat(out, 10 + 12 * step, "d -['key@']-> i@(bytes):3000;");
}

static void draw_re(int step, struct text *out) {
    text_add(out, "root -> m=re(module)!library; m -namespace-> g(dict); g -['_cache']-> d(dict);");
    repeat(out, 10 + 12 * step, "d -['key@']-> i@(bytes):3000;");
}

TEST(what_has_a_limit_is_no_leak) {
    struct world *world = watch(draw_deque);
    CHECK_EQUAL(world->verdict.outcome, VERDICT_NO_LEAK);
    CHECK_EQUAL(world->verdict.finding_count, 0);
    CHECK_TEXT(excused(world, "bounded-cache"),
               "bounded-cache shop.EVENTS (bounded at 2,000; about 5.7 MiB when full)");
    world = watch(draw_lru_cache);
    CHECK_EQUAL(world->verdict.outcome, VERDICT_NO_LEAK);
    CHECK(strstr(excused(world, "bounded-cache"), "(bounded at 1,024;") != NULL);
    world = watch(draw_re);
    CHECK_EQUAL(world->verdict.outcome, VERDICT_NO_LEAK);
    CHECK(strstr(excused(world, "bounded-cache"), "re._cache (bounded at 512;") != NULL);
}

static void draw_absurd_limit(int step, struct text *out) {
    shop(out);
    text_add(out, "g -['EVENTS']-> d(deque)<1000000000;");
    repeat(out, 10 + 12 * step, "d -[]-> i@(bytes):3000;");
}

TEST(a_limit_beyond_all_memory_is_none) {
    CHECK_TEXT(found(watch(draw_absurd_limit), 0), "certain growing-container shop.EVENTS");
}

static void draw_pool(int step, struct text *out) {
    shop(out);
    text_add(out, "g -['POOL']-> d(list);");
    repeat(out, step < 4 ? 2 + 2 * step : 10, "d -[]-> i@(bytes):60000;");
}

static void draw_churn(int step, struct text *out) {
    shop(out);
    text_add(out, "g -['STORE']-> d(dict);");
    for (int i = 20 * step; i < 20 * step + 50; i++)
        text_format(out, "d -['key%d']-> i%d(bytes):3000;", i, i);
}

static void draw_garbage(int step, struct text *out) {
    shop(out);
    repeat(out, 10 + 12 * step,
           "a@(shop.Invoice):400; b@(shop.Line):3000; a@ -.line-> b@; b@ -.invoice-> a@;");
}

TEST(what_levels_off_is_a_warm_up) {
    struct world *world = watch(draw_pool);
    CHECK_EQUAL(world->verdict.outcome, VERDICT_NO_LEAK);
    CHECK_TEXT(excused(world, "warm-up"), "warm-up shop.POOL grew by 469 KiB and levels off");
}

TEST(what_comes_and_goes_is_churn) {
    struct world *world = watch(draw_churn);
    CHECK_EQUAL(world->verdict.outcome, VERDICT_NO_LEAK);
    CHECK(strncmp(excused(world, "steady-churn"), "steady-churn objects come and go", 32) == 0);
}

TEST(garbage_waits_for_an_enabled_collector) {
    struct world *world = watch(draw_garbage);
    CHECK_EQUAL(world->verdict.outcome, VERDICT_NO_LEAK);
    CHECK_EQUAL(world->verdict.finding_count, 0);
    CHECK_TEXT(excused(world, "gc-sawtooth"),
               "gc-sawtooth 312 KiB waiting for the garbage collector (312 KiB at most)");
}

static void draw_blind_cycle(int step, struct text *out) {
    shop(out);
    repeat(out, 10 + 12 * step,
           "row@(dict):3000; cell@(int):100; row@ -['cell']-> cell@; cell@ -slot row-> row@;");
}

TEST(cycles_through_a_type_that_takes_no_part) {
    CHECK_TEXT(found(watch(draw_blind_cycle), 0), "certain uncollectable-cycle <nobody: waiting for gc>");
}

static void draw_small(int step, struct text *out) {
    shop(out);
    text_add(out, "g -['NAMES']-> d(list);");
    repeat(out, 10 + 12 * step, "d -[]-> i@(str):60;");
}

TEST(growth_below_the_floor_is_noise) {
    struct world *world = watch(draw_small);
    CHECK_EQUAL(world->verdict.outcome, VERDICT_NO_LEAK);
    CHECK_EQUAL(world->verdict.finding_count, 0);
}

static void draw_leak(int step, struct text *out) {
    shop(out);
    text_add(out, "g -['AUDIT']-> l(list);");
    repeat(out, 10 + 12 * step, "l -[]-> i@(bytes):30000;");
}

TEST(a_watch_that_is_too_short_decides_nothing) {
    struct heap_facts facts = world_facts();
    struct world *world = watch_with(draw_leak, 3, &facts);
    CHECK_EQUAL(world->verdict.outcome, VERDICT_INCONCLUSIVE);
    CHECK(world->verdict.note_count > 0);
    world = watch_with(draw_leak, 6, &facts);
    CHECK_EQUAL(world->verdict.outcome, VERDICT_LEAK);
}

static void draw_nothing_new(int step, struct text *out) {
    (void)step;
    draw_leak(0, out);
}

TEST(three_snapshots_suffice_where_nothing_grew) {
    struct heap_facts facts = world_facts();
    world_seconds_between(3);
    CHECK_EQUAL(watch_with(draw_nothing_new, 3, &facts)->verdict.outcome, VERDICT_NO_LEAK);
    CHECK_EQUAL(watch_with(draw_leak, 3, &facts)->verdict.outcome, VERDICT_INCONCLUSIVE);
    CHECK_EQUAL(watch_with(draw_nothing_new, 2, &facts)->verdict.outcome, VERDICT_INCONCLUSIVE);
    world_seconds_between(1);
}

TEST(only_a_plain_leak_ends_the_watch_early) {
    struct heap_facts facts = world_facts();
    struct world *world = watch_with(draw_leak, 8, &facts);
    CHECK(!diagnosis_is_certain(&world->verdict, 8));
    world = watch_with(draw_leak, 22, &facts);
    CHECK(diagnosis_is_certain(&world->verdict, 30));
    CHECK(!diagnosis_is_certain(&world->verdict, 60));
    world = watch_with(draw_deque, 22, &facts);
    CHECK(!diagnosis_is_certain(&world->verdict, 22));
}

static void draw_two_leaks(int step, struct text *out) {
    shop(out);
    text_add(out, "g -['SLOW']-> l(list); g -['FAST']-> k(list);");
    repeat(out, 10 + 12 * step, "l -[]-> i@(bytes):3000;");
    repeat(out, 10 + 31 * step, "k -[]-> j@(bytes):3000;");
}

static void draw_bookkeeping(int step, struct text *out) {
    shop(out);
    text_add(out, "g -['TABLE']-> l(dict); g -['WEAK']-> k(set);");
    repeat(out, 10 + 62 * step, "l -['key@']-> i@(bytes):3000; k -[]-> j@(weakref):88;");
}

TEST(findings_are_ranked_by_rate) {
    struct world *world = watch(draw_two_leaks);
    CHECK_EQUAL(world->verdict.finding_count, 2);
    CHECK_TEXT(found(world, 0), "certain growing-container shop.FAST");
    CHECK_TEXT(found(world, 1), "certain growing-container shop.SLOW");
}

TEST(bookkeeping_that_grows_in_step_is_no_second_finding) {
    struct world *world = watch(draw_bookkeeping);
    CHECK_EQUAL(world->verdict.finding_count, 1);
    CHECK_TEXT(found(world, 0), "certain growing-container shop.TABLE");
    CHECK(has_evidence(world, "shop.WEAK grows in step with it"));
}

static void draw_concentrated(int step, struct text *out) {
    (void)step;
    shop(out);
    text_add(out, "g -['STORE']-> s(shop.Store); s -.rows-> l(list); g -['SMALL']-> x(bytes):500;");
    repeat(out, 50, "l -[]-> i@(bytes):1000;");
}

TEST(one_snapshot_tells_who_holds_but_not_what_grows) {
    struct world *world = look_once(draw_concentrated);
    CHECK_EQUAL(world->verdict.outcome, VERDICT_INCONCLUSIVE);
    CHECK_EQUAL(world->verdict.finding_count, 1);
    CHECK_TEXT(found(world, 0), "possible growing-container shop.STORE.rows");
    CHECK_TEXT(world->verdict.findings[0].title, "shop.STORE.rows holds 48.8 KiB");
    CHECK_EQUAL(world->verdict.findings[0].holder_entries, 50);
    CHECK(world->verdict.note_count == 1 && strstr(world->verdict.notes[0], "no time"));
}

TEST(the_parts_of_the_resident_memory_add_up) {
    struct heap_facts facts = world_facts();
    struct world *world = watch_with(draw_leak, 6, &facts);
    CHECK(world->verdict.rss_known);
    CHECK_EQUAL(world->verdict.rss.python_objects, 70 * 30000);
    CHECK_EQUAL(world->verdict.rss.libraries, 8 << 20);
    facts.rss = 9 << 20; /* less than its parts: half of the objects are swapped out */
    world = watch_with(draw_leak, 6, &facts);
    CHECK_EQUAL(world->verdict.rss.python_objects, 0);
    facts.rss = 0;
    world = watch_with(draw_leak, 6, &facts);
    CHECK(!world->verdict.rss_known);
}

TEST(the_verdict_knows_its_target) {
    struct world *world = watch(draw_leak);
    CHECK_EQUAL(world->verdict.pid, 42);
    CHECK_TEXT(world->verdict.python, "3.11.7");
    CHECK_EQUAL(world->verdict.argv_count, 2);
    CHECK_TEXT(world->verdict.argv[1], "shop.py");
    CHECK_EQUAL(world->verdict.snapshots, 8);
}

TEST_MAIN(RUN(what_has_a_limit_is_no_leak); RUN(a_limit_beyond_all_memory_is_none);
          RUN(what_levels_off_is_a_warm_up); RUN(what_comes_and_goes_is_churn);
          RUN(garbage_waits_for_an_enabled_collector); RUN(cycles_through_a_type_that_takes_no_part);
          RUN(growth_below_the_floor_is_noise); RUN(a_watch_that_is_too_short_decides_nothing);
          RUN(three_snapshots_suffice_where_nothing_grew); RUN(only_a_plain_leak_ends_the_watch_early);
          RUN(findings_are_ranked_by_rate); RUN(bookkeeping_that_grows_in_step_is_no_second_finding);
          RUN(one_snapshot_tells_who_holds_but_not_what_grows); RUN(the_parts_of_the_resident_memory_add_up);
          RUN(the_verdict_knows_its_target);)
