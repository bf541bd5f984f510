/* Recordings decoded: what a line allocated, live blocks by address, several processes as one, hostile files. */
#include "drawn_recording.h"
#include "samples/samples.h"
#include "support/check.h"

#include <math.h>
#include <stdlib.h>

static struct samples read_drawn(const struct drawn_recording *drawn, struct arena *arena) {
    struct samples samples;
    struct error *error = samples_read(drawn->bytes, sizeof drawn->bytes, "drawn", arena, &samples);
    CHECK(!error);
    error_discard(error);
    return samples;
}

static bool line_is(const struct samples_line *line, const char *file, uint32_t number) {
    return span_is(line->file, file) && line->line == number;
}

/* main() at 10 calls put() at 3 and get() at 7; get() is called from two places. */
static void draw_three_stacks(struct drawn_recording *drawn) {
    drawn_begin(drawn);
    uint32_t thread = drawn_frame(drawn, 0, "", "MainThread", 1);
    uint32_t first = drawn_frame(drawn, thread, "/app/main.py", "main", 10);
    uint32_t second = drawn_frame(drawn, thread, "/app/main.py", "main", 11);
    drawn_stack(drawn, drawn_frame(drawn, first, "/app/store.py", "put", 3), 5, 6, 100);
    drawn_stack(drawn, drawn_frame(drawn, first, "/app/store.py", "get", 7), 1, 9, 10);
    drawn_stack(drawn, drawn_frame(drawn, second, "/app/store.py", "get", 7), 2, 2, 10);
}

TEST(lines_add_up_over_all_ways_to_them) {
    struct drawn_recording drawn;
    struct arena arena = {0};
    draw_three_stacks(&drawn);
    struct samples samples = read_drawn(&drawn, &arena);
    size_t count;
    struct samples_line *lines = samples_lines(&samples, &arena, &count);
    CHECK_EQUAL(count, 3); /* and the line of what found no room */
    CHECK(line_is(&lines[0], "/app/store.py", 3));
    CHECK_EQUAL(lines[0].amounts.live_bytes, 500);
    CHECK_EQUAL(lines[0].amounts.total_count, 6);
    CHECK(line_is(&lines[1], "/app/store.py", 7));
    CHECK_EQUAL(lines[1].amounts.live_bytes, 30);
    CHECK_EQUAL(lines[1].amounts.total_bytes, 110);
    CHECK_EQUAL(samples.faults, 0);
    arena_deinit(&arena);
}

TEST(code_without_a_file_is_booked_on_its_caller) {
    struct drawn_recording drawn;
    struct arena arena = {0};
    drawn_begin(&drawn);
    uint32_t outer = drawn_frame(&drawn, 0, "/app/main.py", "main", 4);
    uint32_t inner = drawn_frame(&drawn, outer, "<frozen importlib._bootstrap>", "_find_and_load", 1007);
    struct samples samples = read_drawn(&drawn, &arena);
    CHECK_EQUAL(samples_line_of(&samples, inner), outer);
    CHECK_EQUAL(samples_line_of(&samples, 0), SAMPLES_NONE);
    arena_deinit(&arena);
}

TEST(the_peak_is_what_was_kept_or_what_lives) {
    struct drawn_recording drawn;
    struct arena arena = {0};
    drawn_begin(&drawn);
    uint32_t frame = drawn_frame(&drawn, 0, "a.py", "f", 1);
    struct wire_stack *fell = drawn_stack(&drawn, frame, 2, 9, 10), *stayed = drawn_stack(&drawn, frame, 4, 4, 10);
    drawn_head(&drawn)->peak_generation = 7;
    fell->peak_generation = 7; /* changed since the peak: kept its numbers first */
    fell->peak_bytes = 90 * WIRE_ONE;
    stayed->peak_generation = 6;
    stayed->peak_bytes = 10 * WIRE_ONE;
    struct samples samples = read_drawn(&drawn, &arena);
    CHECK_EQUAL(samples.stacks[1].amounts.peak_bytes, 90);
    CHECK_EQUAL(samples.stacks[2].amounts.peak_bytes, 40);
    arena_deinit(&arena);
}

enum { SPAN = 4096, RANGE = 4 * SPAN };

struct range {
    _Alignas(16) char bytes[RANGE];
};

static struct wire_block *draw_span(struct range *range, size_t at, uint32_t block_size, uint32_t count, uint64_t length) {
    struct wire_span *span = (struct wire_span *)(range->bytes + at);
    uint32_t first = (uint32_t)(sizeof *span + count * sizeof(struct wire_block));
    *span = (struct wire_span){WIRE_SPAN_MAGIC, block_size, count, first, length, {0}};
    return (struct wire_block *)(span + 1);
}

TEST(blocks_are_found_by_any_address_inside) {
    struct drawn_recording drawn;
    struct range range = {{0}};
    struct arena arena = {0};
    draw_three_stacks(&drawn);
    drawn_head(&drawn)->range_base = 0x10000;
    drawn_head(&drawn)->span_size = SPAN;
    struct wire_block *small = draw_span(&range, 0, 64, 10, SPAN), *large = draw_span(&range, 2 * SPAN, 0, 1, 2 * SPAN);
    small[3] = (struct wire_block){.stack = 1, .born = 5, .size = 50, .interval = 1};
    large[0] = (struct wire_block){.stack = 2, .born = 6, .size = 7000, .interval = 524288};
    struct samples samples = read_drawn(&drawn, &arena);
    samples_add_spans(&samples, range.bytes, sizeof range.bytes, &arena);
    CHECK_EQUAL(samples.block_count, 2);
    uint64_t first = 0x10000 + sizeof(struct wire_span) + 10 * sizeof(struct wire_block);
    CHECK(samples_find(&samples, first + 3 * 64) == &samples.blocks[0]);
    CHECK(samples_find(&samples, first + 3 * 64 + 49) == &samples.blocks[0]);
    CHECK(!samples_find(&samples, first + 3 * 64 + 50));
    CHECK(!samples_find(&samples, first));
    const struct samples_block *found = samples_find(&samples, 0x10000 + 2 * SPAN + 6000);
    CHECK(found && found->born == 6);
    CHECK(found && fabs(found->weight - 1 / (1 - exp(-7001.0 / 524288))) < 1e-9);
    CHECK_EQUAL(samples.faults, 0);
    arena_deinit(&arena);
}

TEST(two_processes_are_added_by_equal_stacks) {
    struct drawn_recording drawn;
    struct arena arena = {0};
    draw_three_stacks(&drawn);
    struct samples first = read_drawn(&drawn, &arena);
    drawn_stack(&drawn, drawn_frame(&drawn, 0, "/app/only.py", "second", 1), 1, 1, 1);
    struct samples second = read_drawn(&drawn, &arena), both;
    samples_merge((const struct samples *[]){&first, &second}, 2, &arena, &both);
    size_t count;
    struct samples_line *lines = samples_lines(&both, &arena, &count);
    CHECK_EQUAL(count, 4);
    CHECK(line_is(&lines[0], "/app/store.py", 3));
    CHECK_EQUAL(lines[0].amounts.live_bytes, 1000);
    CHECK(line_is(&lines[2], "/app/only.py", 1));
    CHECK_EQUAL(both.stack_count, 5);
    arena_deinit(&arena);
}

static uint32_t draw_expression(struct drawn_recording *drawn, uint32_t parent, uint32_t end_line, int32_t column,
                                int32_t end_column) {
    uint32_t frame = drawn_frame(drawn, parent, "/app/store.py", "put", 3);
    uint32_t place = ((struct wire_frame *)drawn_entry(drawn, WIRE_FRAMES, frame))->place;
    struct wire_place *drawn_place = drawn_entry(drawn, WIRE_PLACES, place);
    drawn_place->end_line = end_line;
    drawn_place->column = column;
    drawn_place->end_column = end_column;
    return frame;
}

static bool extent_is(struct source_extent extent, uint32_t end_line, int32_t column, int32_t end_column) {
    return extent.end_line == end_line && extent.column == column && extent.end_column == end_column;
}

/* Columns 8 to 12 have 30 bytes in two stacks, each of which is less than the 20 of what goes on to line 5. */
TEST(a_line_has_the_expression_that_holds_most) {
    struct drawn_recording drawn;
    struct arena arena = {0};
    drawn_begin(&drawn);
    uint32_t first = drawn_frame(&drawn, 0, "/app/main.py", "main", 10);
    uint32_t second = drawn_frame(&drawn, 0, "/app/main.py", "main", 11);
    drawn_stack(&drawn, draw_expression(&drawn, first, 3, 8, 12), 15, 15, 1);
    drawn_stack(&drawn, draw_expression(&drawn, first, 5, 8, 2), 20, 20, 1);
    drawn_stack(&drawn, draw_expression(&drawn, second, 3, 8, 12), 15, 15, 1);
    struct samples samples = read_drawn(&drawn, &arena), both;
    size_t count;
    struct samples_line *lines = samples_lines(&samples, &arena, &count);
    CHECK(line_is(&lines[0], "/app/store.py", 3));
    CHECK_EQUAL(lines[0].amounts.live_bytes, 50);
    CHECK(extent_is(lines[0].extent, 3, 8, 12));
    samples_merge((const struct samples *[]){&samples, &samples}, 2, &arena, &both);
    CHECK_EQUAL(both.stack_count, samples.stack_count);
    CHECK(extent_is(samples_lines(&both, &arena, &count)->extent, 3, 8, 12));
    arena_deinit(&arena);
}

/* Nothing of an older Python, no columns, an end before the begin: no extent. Two places that differ by it alone are two. */
TEST(what_is_known_of_an_expression_is_all_or_nothing) {
    struct drawn_recording drawn;
    struct arena arena = {0};
    drawn_begin(&drawn);
    uint32_t frames[] = {draw_expression(&drawn, 0, 0, -1, -1), draw_expression(&drawn, 0, 3, -1, -1),
                         draw_expression(&drawn, 0, 3, 9, 8), draw_expression(&drawn, 0, 2, 0, 8)};
    uint32_t whole = draw_expression(&drawn, 0, 4, 9, 0), other = draw_expression(&drawn, 0, 4, 9, 1);
    drawn_stack(&drawn, whole, 1, 1, 1);
    drawn_stack(&drawn, other, 1, 1, 1);
    struct samples samples = read_drawn(&drawn, &arena), both;
    for (size_t i = 0; i < sizeof frames / sizeof *frames; i++)
        CHECK(extent_is(samples.frames[frames[i]].extent, 0, 0, 0));
    CHECK(extent_is(samples.frames[whole].extent, 4, 9, 0));
    samples_merge((const struct samples *[]){&samples, &samples}, 2, &arena, &both);
    CHECK_EQUAL(both.stack_count, samples.stack_count);
    CHECK_EQUAL(samples.faults, 0);
    arena_deinit(&arena);
}

TEST(a_place_that_is_not_there_is_a_fault) {
    struct drawn_recording drawn;
    struct arena arena = {0};
    drawn_begin(&drawn);
    uint32_t frame = drawn_frame(&drawn, 0, "/app/main.py", "main", 10);
    ((struct wire_frame *)drawn_entry(&drawn, WIRE_FRAMES, frame))->place = 2;
    struct samples samples = read_drawn(&drawn, &arena);
    CHECK_EQUAL(samples.faults, 1);
    CHECK_EQUAL(samples_line_of(&samples, frame), SAMPLES_NONE);
    arena_deinit(&arena);
}

TEST(what_is_no_recording_is_refused) {
    struct drawn_recording drawn;
    struct arena arena = {0};
    struct samples samples;
    drawn_begin(&drawn);
    struct error *error = samples_read(drawn.bytes, 100, "short.rec", &arena, &samples);
    CHECK(error && error->status == STATUS_BAD_FILE && strstr(error->message, "short.rec"));
    error_discard(error);
    drawn_head(&drawn)->version = WIRE_VERSION + 1;
    error = samples_read(drawn.bytes, sizeof drawn.bytes, "newer.rec", &arena, &samples);
    CHECK(error && strstr(error->message, "newer.rec: a recording of version "));
    error_discard(error);
    drawn_head(&drawn)->version = 1;
    error = samples_check_version(drawn.bytes, sizeof drawn.bytes, "older.rec");
    CHECK(error && error->status == STATUS_BAD_FILE && strstr(error->message, "version 1"));
    error_discard(error);
    arena_deinit(&arena);
}

TEST(a_frame_that_calls_itself_is_a_fault_and_no_loop) {
    struct drawn_recording drawn;
    struct arena arena = {0};
    drawn_begin(&drawn);
    uint32_t frame = drawn_frame(&drawn, 0, "<string>", "f", 1);
    ((struct wire_frame *)drawn_entry(&drawn, WIRE_FRAMES, frame))->parent = frame;
    struct samples samples = read_drawn(&drawn, &arena);
    CHECK_EQUAL(samples.faults, 1);
    CHECK_EQUAL(samples_line_of(&samples, frame), frame);
    arena_deinit(&arena);
}

/* Everything that can be asked of samples, of damaged ones: the sanitizers are the judge. */
static void ask_all(struct samples *samples, const struct range *range, struct arena *arena) {
    size_t count;
    samples_add_spans(samples, range->bytes, sizeof range->bytes, arena);
    samples_lines(samples, arena, &count);
    for (size_t i = 0; i < samples->block_count; i++)
        CHECK(samples->blocks[i].stack < samples->stack_count);
    struct samples merged;
    samples_merge((const struct samples *[]){samples, samples}, 2, arena, &merged);
    samples_lines(&merged, arena, &count);
}

TEST(damaged_recordings_are_refused_or_read_with_faults) {
    struct drawn_recording drawn;
    struct range range = {{0}};
    srandom(1);
    for (int round = 0; round < 3000; round++) {
        struct arena arena = {0};
        struct samples samples;
        draw_three_stacks(&drawn);
        drawn_head(&drawn)->range_base = 0x10000;
        drawn_head(&drawn)->span_size = SPAN;
        draw_span(&range, 0, 64, 10, SPAN)[2] = (struct wire_block){.stack = 1, .size = 9, .interval = 1};
        for (int i = 0; i < 8; i++) {
            drawn.bytes[random() % (WIRE_HEAD_SIZE / 8) + 8] ^= (char)(1 << random() % 8);
            drawn.bytes[WIRE_HEAD_SIZE + random() % 8000] = (char)random();
            range.bytes[random() % 300] = (char)random();
        }
        struct error *error = samples_read(drawn.bytes, sizeof drawn.bytes, "damaged", &arena, &samples);
        if (!error)
            ask_all(&samples, &range, &arena);
        error_discard(error);
        arena_deinit(&arena);
    }
}

/* The callers 0 0 1 1 2 2 3 lie one behind the other as differences, each doubled because it is not negative. */
TEST(planes_have_what_belongs_together_side_by_side) {
    static const char callers[] = {0, 0, 2, 0, 2, 0, 2}, higher[] = {0, 0, 0, 0, 0, 0, 0};
    struct drawn_recording drawn, planes, back;
    draw_three_stacks(&drawn);
    CHECK(!samples_are_planes(drawn.bytes, sizeof drawn.bytes));
    CHECK(samples_to_planes(drawn.bytes, sizeof drawn.bytes, planes.bytes));
    CHECK(samples_are_planes(planes.bytes, sizeof planes.bytes));
    const char *frames = planes.bytes + drawn_head(&drawn)->regions[WIRE_FRAMES].offset;
    CHECK(memcmp(frames, callers, sizeof callers) == 0);
    CHECK(memcmp(frames + sizeof callers, higher, sizeof higher) == 0);
    CHECK(samples_from_planes(planes.bytes, sizeof planes.bytes, back.bytes));
    CHECK(memcmp(back.bytes, drawn.bytes, sizeof drawn.bytes) == 0);
    CHECK(!samples_from_planes(drawn.bytes, sizeof drawn.bytes, back.bytes));
    CHECK(!samples_to_planes(drawn.bytes, sizeof(struct wire_head) - 1, planes.bytes));
}

/* Falling and wild numbers come back too. */
TEST(planes_lose_nothing) {
    struct drawn_recording drawn, planes, back;
    srandom(2);
    draw_three_stacks(&drawn);
    for (size_t i = WIRE_HEAD_SIZE; i < sizeof drawn.bytes; i++)
        drawn.bytes[i] = (char)random();
    CHECK(samples_to_planes(drawn.bytes, sizeof drawn.bytes, planes.bytes));
    CHECK(samples_from_planes(planes.bytes, sizeof planes.bytes, back.bytes));
    CHECK(memcmp(back.bytes, drawn.bytes, sizeof drawn.bytes) == 0);
}

/* The sanitizers are the judge. */
TEST(damaged_planes_are_refused_or_read_with_faults) {
    struct drawn_recording drawn, planes, back;
    srandom(3);
    for (int round = 0; round < 3000; round++) {
        struct arena arena = {0};
        struct samples samples;
        draw_three_stacks(&drawn);
        CHECK(samples_to_planes(drawn.bytes, sizeof drawn.bytes, planes.bytes));
        for (int i = 0; i < 8; i++)
            planes.bytes[random() % (sizeof(struct wire_head) - 8) + 8] ^= (char)(1 << random() % 8);
        size_t length = (size_t)random() % (sizeof planes.bytes + 1);
        if (samples_from_planes(planes.bytes, length, back.bytes))
            error_discard(samples_read(back.bytes, length, "damaged", &arena, &samples));
        arena_deinit(&arena);
    }
    struct wire_region *region = &drawn_head(&drawn)->regions[WIRE_TEXTS];
    *region = (struct wire_region){.offset = sizeof drawn.bytes - 8, .entry_size = 1, .capacity = 9, .used = 9};
    CHECK(!samples_to_planes(drawn.bytes, sizeof drawn.bytes, planes.bytes));
    *region = (struct wire_region){.offset = WIRE_HEAD_SIZE, .entry_size = 0, .capacity = UINT32_MAX, .used = UINT32_MAX};
    CHECK(!samples_to_planes(drawn.bytes, sizeof drawn.bytes, planes.bytes));
}

/* Exact Poisson limits (chi-squared tables): 3 -> 0.619 .. 8.767, 10 -> 4.795 .. 18.39, 100 -> 81.36 .. 121.6. */
TEST(intervals_are_those_of_the_tables) {
    static const double table[][3] = {{3, 0.619, 8.767}, {10, 4.795, 18.39}, {100, 81.36, 121.6}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        double low, high;
        samples_interval((uint64_t)table[i][0], &low, &high);
        CHECK(fabs(low * table[i][0] - table[i][1]) < 0.03 * table[i][1]);
        CHECK(fabs(high * table[i][0] - table[i][2]) < 0.03 * table[i][2]);
    }
}

TEST_MAIN(RUN(lines_add_up_over_all_ways_to_them); RUN(code_without_a_file_is_booked_on_its_caller);
          RUN(the_peak_is_what_was_kept_or_what_lives); RUN(blocks_are_found_by_any_address_inside);
          RUN(two_processes_are_added_by_equal_stacks); RUN(a_line_has_the_expression_that_holds_most);
          RUN(what_is_known_of_an_expression_is_all_or_nothing); RUN(a_place_that_is_not_there_is_a_fault); RUN(what_is_no_recording_is_refused);
          RUN(a_frame_that_calls_itself_is_a_fault_and_no_loop); RUN(damaged_recordings_are_refused_or_read_with_faults);
          RUN(planes_have_what_belongs_together_side_by_side); RUN(planes_lose_nothing);
          RUN(damaged_planes_are_refused_or_read_with_faults); RUN(intervals_are_those_of_the_tables);)
