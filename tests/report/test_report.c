/* Reports: words, JSON, the first screen. */
#include "report/json.h"
#include "report/report.h"
#include "report/tables.h"
#include "report/words.h"
#include "support/check.h"

#include <math.h>
#include <stdlib.h>

/* What `writing` writes to `out`, until the next CAPTURE frees it. */
static char *captured;
#define CAPTURE(writing)                                                                                     \
    do {                                                                                                     \
        size_t capture_size;                                                                                 \
        free(captured);                                                                                      \
        FILE *out = open_memstream(&captured, &capture_size);                                                \
        writing;                                                                                             \
        fclose(out);                                                                                         \
    } while (0)

#define CHECK_HAS(part) CHECK(strstr(captured, part) != NULL)
#define CHECK_HAS_NOT(part) CHECK(strstr(captured, part) == NULL)

TEST(bytes_are_told_in_the_unit_that_fits) {
    CHECK_TEXT(words_bytes(0).text, "0 B");
    CHECK_TEXT(words_bytes(1023).text, "1023 B");
    CHECK_TEXT(words_bytes((1 << 20) - 1).text, "1.0 MiB"); /* not 1024 KiB */
    CHECK_TEXT(words_bytes(1536).text, "1.5 KiB");
    CHECK_TEXT(words_bytes(200ull << 20).text, "200 MiB");
    CHECK_TEXT(words_bytes(1717986918).text, "1.6 GiB");
    CHECK_TEXT(words_bytes(UINT64_MAX).text, "16384 PiB");
}

TEST(rates_are_decimal_and_may_fall) {
    CHECK_TEXT(words_rate(0).text, "0 B/s");
    CHECK_TEXT(words_rate(-0.2).text, "0 B/s");
    CHECK_TEXT(words_rate(2100000).text, "2.1 MB/s");
    CHECK_TEXT(words_rate(-3000).text, "-3.0 kB/s");
}

TEST(counts_have_thousands) {
    CHECK_TEXT(words_count(7).text, "7");
    CHECK_TEXT(words_count(999).text, "999");
    CHECK_TEXT(words_count(1000).text, "1,000");
    CHECK_TEXT(words_count(1204331).text, "1,204,331");
    CHECK_TEXT(words_count(UINT64_MAX).text, "18,446,744,073,709,551,615");
}

TEST(shares_keep_a_digit_when_small) {
    CHECK_TEXT(words_percent(0).text, "0 %");
    CHECK_TEXT(words_percent(0.0001).text, "under 0.1 %");
    CHECK_TEXT(words_percent(0.043).text, "4.3 %");
    CHECK_TEXT(words_percent(0.764).text, "76 %");
    CHECK_TEXT(words_percent(1).text, "100 %");
}

TEST(names_cannot_move_the_cursor) {
    CAPTURE(words_print(out, "a\033[2Jb\rc\177\xc2\x9b" "2J\xff\xc3(\xc3\xa9"));
    CHECK_TEXT(captured, "a?[2Jb?c?" "?" "?2J?" "?(\xc3\xa9");
    CHECK_EQUAL(words_width("na\xc3\xafve"), 5);
}

TEST(only_well_formed_utf8_is_one_character) {
    CHECK_EQUAL(words_utf8_length(SPAN("\xc0\x80")), 0);         /* overlong */
    CHECK_EQUAL(words_utf8_length(SPAN("\xed\xa0\x80")), 0);     /* a surrogate */
    CHECK_EQUAL(words_utf8_length(SPAN("\xf4\x90\x80\x80")), 0); /* beyond Unicode */
    CHECK_EQUAL(words_utf8_length(SPAN("\xf0\x9f\x90")), 0);     /* cut off */
    CHECK_EQUAL(words_utf8_length(SPAN("\xf0\x9f\x90\x8d")), 4);
    CHECK_EQUAL(words_utf8_length(SPAN("")), 0);
}

static void write_json_sample(FILE *out) {
    struct json json = {.out = out};
    json_begin_object(&json, NULL);
    json_text(&json, "quo\"te", "a\\b\n\x01\xff\xc3\xa9");
    json_text(&json, "none", NULL);
    json_begin_array(&json, "numbers");
    json_unsigned(&json, NULL, UINT64_MAX);
    json_integer(&json, NULL, INT64_MIN);
    json_real(&json, NULL, 0.5);
    json_real(&json, NULL, NAN);
    json_real(&json, NULL, INFINITY);
    json_end_array(&json);
    json_begin_object(&json, "empty");
    json_end_object(&json);
    json_address(&json, "address", 0x7f00);
    json_bool(&json, "truth", true);
    json_end_object(&json);
}

TEST(json_escapes_what_it_must) {
    CAPTURE(write_json_sample(out));
    CHECK_TEXT(captured, "{\n \"quo\\\"te\": \"a\\\\b\\n\\u0001\\ufffd\xc3\xa9\",\n \"none\": null,\n"
                         " \"numbers\": [\n  18446744073709551615,\n  -9223372036854775808,\n  0.5,\n  null,\n  null],\n"
                         " \"empty\": {},\n \"address\": \"0x7f00\",\n \"truth\": true}\n");
}

static const double pauses[] = {20, 22, 21};
static struct grown_type grown[] = {{"shop.Session", 4000, 5 << 20}, {"str", 100, 1 << 20}};
static struct holder_step steps[] = {{"shop.sessions", "module", 0x10, 0, 0}, {".STORE", "dict", 0x20, 1, 0}};
static struct holder_step below[] = {{"[...]", "shop.Session", 0, 1204331, 1610612736}, {".cart", "list", 0, 0, 0}};
static struct native_place native[] = {{"grow", "/lib/libcart.so", "", "src/cart.c", 12, false, 0x1128},
                                       {"libcart.so+0x1140", "/lib/libcart.so", "", NULL, 0, false, 0x1140},
                                       {"main", "/bin/other", "", NULL, 0, false, 0x10}};
static struct source_line allocated[] = {{"shop/views.py", "checkout", 88, {90, 4, 17}, 0.97, native, 3}};
static const char *evidence[] = {"grew in 6 of 6 intervals", "2.1 MB/s"};
static const char *arguments[] = {"/usr/bin/python3", "-m", "shop"};
static const char *notes[] = {"interrupted after 3 of 7 snapshots"};
static struct not_leak not_leaks[] = {{NOT_LEAK_BOUNDED_CACHE, "re._cache (bounded at 512)"}};

static struct finding the_finding(void) {
    return (struct finding){
        .rank = 1,
        .kind = KIND_GROWING_CONTAINER,
        .confidence = CONFIDENCE_CERTAIN,
        .title = "shop.sessions.STORE grows by 2.1 MB/s",
        .path = "shop.sessions.STORE",
        .root = "module shop.sessions",
        .holder_type = "dict",
        .holder_entries = 1204331,
        .steps = steps,
        .step_count = 2,
        .below = below,
        .below_count = 2,
        .grows = grown,
        .grow_count = 2,
        .bytes = 1717986918,
        .exclusive_bytes = 1700000000,
        .objects = 5000000,
        .heap_share = 0.76,
        .bytes_per_second = 2100000,
        .low = 2000000,
        .high = 2200000,
        .growth_share = 0.98,
        .allocated_at = allocated,
        .allocated_count = 1,
        .cause = "a dict that only grows",
        .advice = "give it a bound",
        .evidence = evidence,
        .evidence_count = 2,
    };
}

static struct verdict the_verdict(struct finding *finding) {
    return (struct verdict){
        .pid = 4121,
        .python = "3.11.7",
        .executable = "/usr/bin/python3",
        .argv = arguments,
        .argv_count = 3,
        .seconds = 30.1,
        .pause_ms = pauses,
        .snapshots = 3,
        .outcome = VERDICT_LEAK,
        .live_bytes_per_second = 2150000,
        .findings = finding,
        .finding_count = 1,
        .not_leaks = not_leaks,
        .not_leak_count = 1,
        .rss = {.total = 2ull << 30, .python_objects = 1700ull << 20, .libraries = 50 << 20, .other = 298ull << 20},
        .rss_known = true,
        .gc_objects = 3000,
        .objects = 5000,
        .references = 20000,
        .garbage_collector_enabled = true,
    };
}

TEST(the_sentence_comes_first_and_the_holder_is_underlined) {
    struct finding finding = the_finding();
    struct verdict verdict = the_verdict(&finding);
    CAPTURE(report_verdict_text(&verdict, out, false));
    CHECK_HAS("caulk · pid 4121 · CPython 3.11.7 · python3 -m shop · watched 30 s · 3 snapshots, paused 21 ms each\n\n"
              "LEAK   shop.sessions.STORE grows by 2.1 MB/s");
    CHECK_HAS("1,204,331 entries · 1.6 GiB = 76 % of the heap\n");
    CHECK_HAS("\n  shop.sessions.STORE             dict");
    CHECK_HAS("\n  ~~~~~~~~~~~~~~~~~~~\n    └ [...] → shop.Session");
    CHECK_HAS("× 1,204,331");
    CHECK_HAS("\n        └ .cart → list\n");
    CHECK_HAS("allocated   shop/views.py:88");
    CHECK_HAS("in grow (cart.c:12) ← libcart.so+0x1140 · libcart.so\n");
    CHECK_HAS("97 % of the growth");
    CHECK_HAS("fix         give it a bound\n");
    CHECK_HAS("evidence    grew in 6 of 6 intervals · 2.1 MB/s\n");
    CHECK_HAS("NOT A LEAK   re._cache (bounded at 512)\n");
    CHECK_HAS("RSS 2.0 GiB = Python objects 1.7 GiB + libraries 50.0 MiB + other 298 MiB");
    CHECK_HAS("seen: all 3,000 objects of the garbage collector, 5,000 objects and 20,000 references in all;");
    CHECK_HAS_NOT("\033");
    CHECK_HAS_NOT("could not be read");
}

TEST(colours_come_only_when_allowed) {
    struct finding finding = the_finding();
    struct verdict verdict = the_verdict(&finding);
    CAPTURE(report_verdict_text(&verdict, out, true));
    CHECK_HAS("\033[1;31mLEAK\033[0m");
}

TEST(no_leak_and_inconclusive_are_answers_too) {
    struct verdict verdict = the_verdict(NULL);
    verdict.finding_count = 0;
    verdict.outcome = VERDICT_NO_LEAK;
    verdict.faults = 7;
    verdict.garbage_collector_enabled = false;
    verdict.rss_known = false;
    CAPTURE(report_verdict_text(&verdict, out, false));
    CHECK_HAS("NO LEAK");
    CHECK_HAS("nothing grows steadily");
    CHECK_HAS("NOT A LEAK   re._cache");
    CHECK_HAS("7 could not be read");
    CHECK_HAS("was not run and is disabled");
    CHECK_HAS_NOT("RSS");
    verdict.outcome = VERDICT_INCONCLUSIVE;
    verdict.notes = notes;
    verdict.note_count = 1;
    CAPTURE(report_verdict_text(&verdict, out, false));
    CHECK_HAS("INCONCLUSIVE");
    CHECK_HAS("note        interrupted after 3 of 7 snapshots\n");
    CHECK_HAS_NOT("NO LEAK ");
}

TEST(a_finding_nobody_holds_has_no_path) {
    struct finding finding = the_finding();
    finding.path = NULL;
    struct verdict verdict = the_verdict(&finding);
    CAPTURE(report_verdict_text(&verdict, out, false));
    CHECK_HAS_NOT("~~~");
    CAPTURE(report_verdict_json(&verdict, out));
    CHECK_HAS("\"holder\": null");
}

TEST(a_weaker_finding_is_called_so) {
    struct finding finding = the_finding();
    finding.confidence = CONFIDENCE_POSSIBLE;
    struct verdict verdict = the_verdict(&finding);
    CAPTURE(report_verdict_text(&verdict, out, false));
    CHECK_HAS("\n\nPOSSIBLE LEAK  shop.sessions.STORE");
}

TEST(json_has_the_fields_of_the_schema) {
    struct finding finding = the_finding();
    struct verdict verdict = the_verdict(&finding);
    CAPTURE(report_verdict_json(&verdict, out));
    CHECK_HAS("\"schema\": \"caulk.verdict/1\"");
    CHECK_HAS("\"verdict\": \"leak\"");
    CHECK_HAS("\"kind\": \"growing-container\"");
    CHECK_HAS("\"confidence\": \"certain\"");
    CHECK_HAS("\"path\": \"shop.sessions.STORE\"");
    CHECK_HAS("\"bytes_per_second\": 2100000");
    CHECK_HAS("\"kind\": \"bounded-cache\"");
    CHECK_HAS("\"native_blocks\": null"); /* not measured is not 0 */
    CHECK_HAS("\"end_line\": 90");
    CHECK_HAS("\"column\": 4");
    CHECK_HAS("\"end_column\": 17");
    CHECK_HAS("\"address\": \"0x20\"");
}

TEST(a_table_of_paths_says_how_many_it_leaves_out) {
    struct table_step why_steps[] = {{"shop", "module", 0x10}, {".STORE", "dict", 0x20}};
    struct table_path path = {.path = "shop.STORE", .steps = why_steps, .step_count = 2, .retained = 4096};
    struct table_why table = {.snapshot = {.python = "3.12.1"}, .what = "dict", .matches = 9, .paths = &path, .path_count = 1};
    CAPTURE(report_why_text(&table, out, false));
    CHECK_HAS("9 objects match dict; the 1 that retains most\n");
    CHECK_HAS("  shop.STORE   retains 4.0 KiB\n");
    CHECK_HAS("0x20\n");
}

TEST(changes_have_signs) {
    struct table_change types[] = {{"shop.Session", NULL, 1200, 5000}, {"str", NULL, -3, -2048}};
    struct table_diff table = {.before = {.python = "3.12.1"}, .after = {.python = "3.12.1"}, .types = types, .type_count = 2};
    CAPTURE(report_diff_text(&table, out, false));
    CHECK_HAS("+      1,200 +    4.9 KiB  shop.Session\n");
    CHECK_HAS("-          3 -    2.0 KiB  str\n");
}

TEST_MAIN(RUN(bytes_are_told_in_the_unit_that_fits); RUN(rates_are_decimal_and_may_fall);
          RUN(counts_have_thousands); RUN(shares_keep_a_digit_when_small); RUN(names_cannot_move_the_cursor);
          RUN(only_well_formed_utf8_is_one_character); RUN(json_escapes_what_it_must);
          RUN(the_sentence_comes_first_and_the_holder_is_underlined); RUN(colours_come_only_when_allowed);
          RUN(no_leak_and_inconclusive_are_answers_too); RUN(a_finding_nobody_holds_has_no_path);
          RUN(a_weaker_finding_is_called_so); RUN(json_has_the_fields_of_the_schema);
          RUN(a_table_of_paths_says_how_many_it_leaves_out); RUN(changes_have_signs); free(captured);)
