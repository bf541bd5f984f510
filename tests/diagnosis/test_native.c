/* Native memory and holes: what is said of growth that no object explains, and when nothing is said. */
#include "watched_world.h"

enum { STEPS = WORLD_SNAPSHOTS, KB = 1000 };

static void draw_still(int step, struct text *out) {
    (void)step;
    text_add(out, "root -> m=shop(module); m -namespace-> g(dict); g -['PARSER']-> p(_lib.Parser?):64;"
                  "g -['SEEN']-> l(list); l -[]-> q(_lib.Parser?):64; l -[]-> r(_lib.Parser?):64;");
}

/* Nobody looks before there is more than at first. */
static void hold(int step, struct world *world, struct observation *out, const struct raw_holder *holders, size_t count) {
    struct raw_holders all = {(struct raw_holder *)holders, count};
    if (step > 0)
        raw_parts_fold(&all, out->tree.node_of, &out->tree, &world->arena, &out->raw);
}

static struct raw_holder lost(uint64_t bytes) {
    return (struct raw_holder){RAW_LOST, NODE_NONE, {0}, bytes / 100, bytes};
}

static struct raw_holder in_library(const char *name, uint64_t bytes) {
    return (struct raw_holder){RAW_LIBRARY, NODE_NONE, span_from_text(name), bytes / 100, bytes};
}

static struct raw_holder of_object(node_id node, uint64_t bytes) {
    return (struct raw_holder){RAW_OBJECT, node, {0}, 10, bytes};
}

static struct world *watch_observed(draw_function *draw, observe_function *observe) {
    world_observe(observe);
    struct world *world = watch(draw);
    world_observe(NULL);
    return world;
}

static void observe_lost(int step, struct world *world, struct observation *out) {
    struct raw_holder holders[] = {lost(300 * KB + (uint64_t)step * 100 * KB), in_library("libpython3.11.so", 900 * KB)};
    hold(step, world, out, holders, 2);
}

TEST(blocks_that_nothing_points_to_are_a_native_leak) {
    struct world *world = watch_observed(draw_still, observe_lost);
    CHECK_EQUAL(world->verdict.outcome, VERDICT_LEAK);
    CHECK_EQUAL(world->verdict.finding_count, 1);
    CHECK_TEXT(found(world, 0), "certain native-leak <nobody: lost by C code>");
    const struct finding *finding = &world->verdict.findings[0];
    CHECK_TEXT(finding->title, "native memory that nothing points to grows by 100 kB/s");
    CHECK_EQUAL(finding->bytes, 1000 * KB);
    CHECK_EQUAL(finding->grow_count, 0);
    CHECK(finding->bytes_per_second > 99.9e3 && finding->bytes_per_second < 100.1e3);
    CHECK(has_evidence(world, "grew in 6 of 6 intervals"));
    CHECK(has_evidence(world, "6,000 more blocks"));
}

static void observe_steady(int step, struct world *world, struct observation *out) {
    struct raw_holder holders[] = {lost(500 * KB + (uint64_t)(step % 2) * 90 * KB)};
    hold(step, world, out, holders, 1);
}

static void observe_warm_up(int step, struct world *world, struct observation *out) {
    struct raw_holder holders[] = {in_library("_ssl.so", (uint64_t)(step < 4 ? step : 4) * 100 * KB)};
    hold(step, world, out, holders, 1);
}

static void observe_little(int step, struct world *world, struct observation *out) {
    struct raw_holder holders[] = {lost(500 * KB + (uint64_t)step * 5 * KB)};
    hold(step, world, out, holders, 1);
}

TEST(what_comes_and_goes_or_ends_or_is_little_is_no_leak) {
    CHECK_EQUAL(watch_observed(draw_still, observe_steady)->verdict.finding_count, 0);
    CHECK_EQUAL(watch_observed(draw_still, observe_warm_up)->verdict.finding_count, 0);
    struct world *world = watch_observed(draw_still, observe_little);
    CHECK_EQUAL(world->verdict.finding_count, 0);
    CHECK_EQUAL(world->verdict.outcome, VERDICT_NO_LEAK);
}

static void observe_table(int step, struct world *world, struct observation *out) {
    struct raw_holder holders[] = {lost(10 * KB), in_library("ratelib.so", (uint64_t)step * 200 * KB),
                                   in_library("other.so", 700 * KB)};
    hold(step, world, out, holders, 3);
}

TEST(what_a_library_leads_to_is_native_growth_of_it) {
    struct world *world = watch_observed(draw_still, observe_table);
    CHECK_EQUAL(world->verdict.finding_count, 1);
    CHECK_TEXT(found(world, 0), "certain native-growth <C data of ratelib.so>");
}

static void observe_parser(int step, struct world *world, struct observation *out) {
    struct raw_holder holders[] = {of_object(world_node(world, "p"), (uint64_t)step * 150 * KB),
                                   of_object(world_node(world, "q"), 800 * KB)};
    hold(step, world, out, holders, 2);
}

static void observe_several(int step, struct world *world, struct observation *out) {
    struct raw_holder holders[] = {of_object(world_node(world, "q"), (uint64_t)step * 50 * KB),
                                   of_object(world_node(world, "r"), (uint64_t)step * 70 * KB)};
    hold(step, world, out, holders, 2);
}

TEST(what_an_object_leads_to_is_native_growth_below_its_path) {
    struct world *world = watch_observed(draw_still, observe_parser);
    CHECK_EQUAL(world->verdict.finding_count, 1);
    CHECK_TEXT(found(world, 0), "certain native-growth shop.PARSER");
    CHECK_TEXT(world->verdict.findings[0].holder_type, "_lib.Parser");
    world = watch_observed(draw_still, observe_several);
    CHECK_EQUAL(world->verdict.finding_count, 1);
    CHECK_TEXT(found(world, 0), "certain native-growth shop.SEEN[...]");
    CHECK_EQUAL(world->verdict.findings[0].bytes, 7 * 120 * KB);
}

static void draw_audit(int step, struct text *out) {
    text_add(out, "root -> m=shop(module); m -namespace-> g(dict); g -['AUDIT']-> l(list);");
    repeat(out, 10 + 12 * step, "l -[]-> i@(bytes):3000;");
}

static void draw_opened(int step, struct text *out) {
    text_add(out, "root -> m=shop(module); m -namespace-> g(dict); g -['OPEN']-> l(list);");
    repeat(out, 4 + step, "l -[]-> i@(_lib.Stream?):64;");
}

static void observe_opened(int step, struct world *world, struct observation *out) {
    struct raw_holder holders[] = {of_object(world_node(world, "i0"), (uint64_t)(4 + step) * 200 * KB)};
    hold(step, world, out, holders, 1);
}

TEST(what_multiplying_objects_lead_to_is_growth_of_their_container) {
    struct world *world = watch_observed(draw_opened, observe_opened);
    CHECK_EQUAL(world->verdict.finding_count, 1);
    CHECK_TEXT(found(world, 0), "certain growing-container shop.OPEN");
    CHECK_TEXT(world->verdict.findings[0].title, "shop.OPEN grows by 200 kB/s");
    CHECK(has_evidence(world, "its objects hold 2.1 MiB of native memory"));
    CHECK_EQUAL(watch_observed(draw_opened, NULL)->verdict.finding_count, 0);
}

static void draw_opened_much(int step, struct text *out) {
    draw_opened(step, out);
    repeat(out, 4 + 4 * step, "l -[]-> j@(bytes):3000;");
}

TEST(a_container_that_grows_anyway_is_told_once) {
    struct world *world = watch_observed(draw_opened_much, observe_opened);
    CHECK_EQUAL(world->verdict.finding_count, 1);
    CHECK_TEXT(world->verdict.findings[0].title, "shop.OPEN grows by 200 kB/s");
}

TEST(findings_of_both_sorts_are_ranked_by_rate) {
    struct world *world = watch_observed(draw_audit, observe_lost);
    CHECK_TEXT(found(world, 0), "certain native-leak <nobody: lost by C code>");
    CHECK_TEXT(found(world, 1), "certain growing-container shop.AUDIT");
    CHECK_EQUAL(world->verdict.finding_count, 2);
}

/* --- holes --- */

static void draw_samples(int step, struct text *out) {
    text_add(out, "root -> m=shop(module); m -namespace-> g(dict); g -['SAMPLES']-> l(list);"
                  "g -['NAMES']-> d(dict); d -['a']-> k(str):60;");
    repeat(out, 10 + 6 * step, "l -[]-> i@(bytes):60;");
}

static void draw_few_samples(int step, struct text *out) {
    text_add(out, "root -> m=shop(module); m -namespace-> g(dict); g -['SAMPLES']-> l(list);"
                  "g -['NAMES']-> d(dict); d -['a']-> k(str):60;");
    repeat(out, 10 + 2 * step, "l -[]-> i@(bytes):60;");
}

static void keep_holes(struct world *world, const struct observation *out, uint64_t of_samples, uint64_t of_names) {
    world->holes = arena_new(&world->arena, struct hole, out->tree.count);
    world->holes[out->tree.node_of[world_node(world, "i0")]] = (struct hole){of_samples, 20};
    world->holes[out->tree.node_of[world_node(world, "k")]] = (struct hole){of_names, 5};
}

static void observe_holes(int step, struct world *world, struct observation *out) {
    uint64_t grown = (uint64_t)step * 300 * KB;
    out->use = (struct allocator_use){.pools = 4000 * KB + grown, .pools_used = 3000 * KB + grown / 10};
    keep_holes(world, out, grown * 9 / 10, 200 * KB);
}

TEST(memory_between_objects_is_fragmentation_and_has_a_holder) {
    struct world *world = watch_observed(draw_samples, observe_holes);
    CHECK_EQUAL(world->verdict.outcome, VERDICT_LEAK);
    CHECK_TEXT(found(world, 0), "certain fragmentation shop.SAMPLES");
    const struct finding *finding = &world->verdict.findings[0];
    CHECK_TEXT(finding->grows[0].type, "bytes");
    CHECK_EQUAL(finding->grows[0].bytes, 7 * 270 * KB);
    CHECK(finding->bytes_per_second > 299e3 && finding->bytes_per_second < 301e3);
    CHECK(has_evidence(world, "keeps 1.8 MiB of free memory"));
}

static void observe_holes_of_many(int step, struct world *world, struct observation *out) {
    observe_holes(step, world, out);
    keep_holes(world, out, 0, 0);
}

static void observe_full_pools(int step, struct world *world, struct observation *out) {
    uint64_t grown = (uint64_t)step * 300 * KB;
    observe_holes(step, world, out);
    out->use = (struct allocator_use){.pools = 4000 * KB + grown, .pools_used = 3000 * KB + grown * 3 / 4};
}

static void observe_memory_that_is_kept(int step, struct world *world, struct observation *out) {
    observe_holes(step, world, out);
    out->use = (struct allocator_use){.pools = 6000 * KB, .pools_used = 5500 * KB - (uint64_t)step * 300 * KB};
}

static void observe_one_peak(int step, struct world *world, struct observation *out) {
    uint64_t grown = step >= 3 ? 2000 * KB : 0;
    observe_holes(step, world, out);
    out->use = (struct allocator_use){.pools = 4000 * KB + grown, .pools_used = 3000 * KB};
}

TEST(free_memory_without_growth_or_holder_is_no_fragmentation) {
    CHECK_EQUAL(watch_observed(draw_few_samples, observe_holes)->verdict.finding_count, 0);
    CHECK_EQUAL(watch_observed(draw_samples, observe_holes_of_many)->verdict.finding_count, 0);
    CHECK_EQUAL(watch_observed(draw_samples, observe_full_pools)->verdict.finding_count, 0);
    CHECK_EQUAL(watch_observed(draw_samples, observe_memory_that_is_kept)->verdict.finding_count, 0);
    CHECK_EQUAL(watch_observed(draw_samples, observe_one_peak)->verdict.finding_count, 0);
}

TEST_MAIN(RUN(blocks_that_nothing_points_to_are_a_native_leak); RUN(what_comes_and_goes_or_ends_or_is_little_is_no_leak);
          RUN(what_a_library_leads_to_is_native_growth_of_it);
          RUN(what_an_object_leads_to_is_native_growth_below_its_path);
          RUN(what_multiplying_objects_lead_to_is_growth_of_their_container);
          RUN(a_container_that_grows_anyway_is_told_once); RUN(findings_of_both_sorts_are_ranked_by_rate);
          RUN(memory_between_objects_is_fragmentation_and_has_a_holder);
          RUN(free_memory_without_growth_or_holder_is_no_fragmentation);)
