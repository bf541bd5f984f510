/* Images made of bytes: views, holes, edges, and the way back from an offset to an address. */
#include "memory/image.h"
#include "support/check.h"

enum { PAGE = 4096 };

static const struct image_bytes *three_pieces(void) {
    static char bytes[3 * PAGE];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)(i * 7 + i / PAGE);
    static struct image_bytes pieces[3];
    pieces[0] = (struct image_bytes){0x7f0000005000, bytes, 2 * PAGE, SEGMENT_READ, "[heap]"};
    pieces[1] = (struct image_bytes){0x10000010, bytes, 32, SEGMENT_READ | SEGMENT_WRITE, NULL};
    pieces[2] = (struct image_bytes){0x7f0000007000, bytes, 100, SEGMENT_READ, "next"};
    return pieces;
}

static struct image *open_three(void) {
    struct image *image = NULL;
    CHECK(!image_from_bytes(three_pieces(), 3, &image));
    return image;
}

TEST(segments_are_sorted_and_rounded_to_pages) {
    struct image *image = open_three();
    CHECK_EQUAL(image->memory.segment_count, 3);
    CHECK_EQUAL(image->memory.segments[0].begin, 0x10000000);
    CHECK_EQUAL(image->memory.segments[0].end, 0x10001000);
    CHECK_EQUAL(image->memory.segments[2].begin, 0x7f0000007000);
    CHECK_TEXT(image->memory.segments[0].path, "");
    CHECK_TEXT(image->memory.segments[2].path, "next");
    CHECK(memory_find_segment(&image->memory, 0x10000fff) == &image->memory.segments[0]);
    CHECK(memory_find_segment(&image->memory, 0x10001000) == NULL);
    CHECK(memory_find_segment(&image->memory, 0x7f0000006fff) == &image->memory.segments[1]);
    CHECK(memory_find_segment(&image->memory, 0xfffffff) == NULL);
    CHECK_EQUAL(image->length, 4 * PAGE);
    memory_close(&image->memory);
}

TEST(a_view_shows_the_bytes_across_pages_and_segments) {
    struct image *image = open_three();
    const char *bytes = three_pieces()[0].bytes;
    const char *view = image_view(image, 0x7f0000005ffe, 100);
    CHECK(view && memcmp(view, bytes + PAGE - 2, 100) == 0);
    view = image_view(image, 0x7f0000006ffc, 8); /* the segments touch */
    CHECK(view && memcmp(view, bytes + 2 * PAGE - 4, 4) == 0 && memcmp(view + 4, bytes, 4) == 0);
    view = image_view(image, 0x10000000, 64);
    CHECK(view && view[15] == 0 && memcmp(view + 16, bytes, 32) == 0 && view[48] == 0);
    memory_close(&image->memory);
}

TEST(what_is_not_there_is_a_fault) {
    struct image *image = open_three();
    char out[2 * PAGE];
    static const struct {
        remote_address address;
        size_t size;
    } faults[] = {
        {0, 8},         {0x10000ffc, 8},         {0xffffffc, 8},         {0x7f0000007ffc, 8},     {0x7f0000004fff, 1},
        {UINT64_MAX, 1}, {UINT64_MAX - 3, 8},    {1ull << 47, 8},        {0x7f0000007000, PAGE + 1},
        {0x10000000, 2 * PAGE}, {0xffff7f0000005000, 8},
    };
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        CHECK(!image_view(image, faults[i].address, faults[i].size));
        CHECK(!memory_read(&image->memory, faults[i].address, faults[i].size, out));
    }
    CHECK(memory_read(&image->memory, 0x10000ff8, 8, out));
    CHECK(memory_read(&image->memory, 0x7f0000007fff, 1, out));
    memory_close(&image->memory);
}

TEST(an_offset_leads_back_to_its_address) {
    struct image *image = open_three();
    static const remote_address addresses[] = {0x10000000, 0x10000010, 0x10000fff, 0x7f0000005000,
                                               0x7f0000006fff, 0x7f0000007000, 0x7f0000007fff};
    uint64_t last = 0;
    for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++) {
        uint64_t offset = image_locate(image, addresses[i]);
        CHECK(offset < image->length && offset >= last);
        CHECK(image_address(image, offset) == addresses[i]);
        last = offset;
    }
    memory_close(&image->memory);
}

TEST(many_runs_lead_back_too) {
    enum { COUNT = 500 };
    static struct image_bytes pieces[COUNT];
    static uint64_t words[COUNT];
    for (uint64_t i = 0; i < COUNT; i++) {
        words[i] = i * i;
        pieces[i] = (struct image_bytes){(i * 3 + 1) << 29, &words[i], 8, SEGMENT_READ, NULL};
    }
    struct image *image = NULL;
    CHECK(!image_from_bytes(pieces, COUNT, &image));
    for (uint64_t i = 0; i < COUNT; i++) {
        uint64_t word = 0;
        remote_address address = (i * 3 + 1) << 29;
        CHECK(memory_read_word(&image->memory, address, &word) && word == i * i);
        CHECK(image_address(image, image_locate(image, address + 5)) == address + 5);
    }
    CHECK_EQUAL(image->length, (uint64_t)COUNT * PAGE);
    memory_close(&image->memory);
}

TEST(pieces_may_share_a_page) {
    static const struct image_bytes pieces[] = {
        {0x5800, "second", 7, SEGMENT_READ, NULL},
        {0x5000, "first", 6, SEGMENT_READ, NULL},
    };
    struct image *image = NULL;
    CHECK(!image_from_bytes(pieces, 2, &image));
    CHECK_EQUAL(image->memory.segment_count, 1);
    CHECK_TEXT((const char *)image_view(image, 0x5000, 6), "first");
    CHECK_TEXT((const char *)image_view(image, 0x5800, 7), "second");
    memory_close(&image->memory);
}

TEST(text_ends_with_its_nul_or_is_none) {
    static char bytes[PAGE];
    memset(bytes, 'a', sizeof bytes);
    memcpy(bytes + PAGE - 4, "end", 4);
    memcpy(bytes + 10, "short", 6);
    static struct image_bytes piece;
    piece = (struct image_bytes){0x9000, bytes, sizeof bytes, SEGMENT_READ, NULL};
    struct image *image = NULL;
    char out[32];
    CHECK(!image_from_bytes(&piece, 1, &image));
    CHECK(memory_read_text(&image->memory, 0x900a, sizeof out, out));
    CHECK_TEXT(out, "short");
    CHECK(memory_read_text(&image->memory, 0x9000 + PAGE - 4, sizeof out, out)); /* nothing behind it is read */
    CHECK_TEXT(out, "end");
    CHECK(memory_read_text(&image->memory, 0x9000 + PAGE - 4, 4, out));
    CHECK(!memory_read_text(&image->memory, 0x9000 + PAGE - 4, 3, out));
    CHECK(!memory_read_text(&image->memory, 0x9100, sizeof out, out));
    CHECK(!memory_read_text(&image->memory, 0x8ff0, sizeof out, out));
    CHECK(!memory_read_text(&image->memory, UINT64_MAX - 2, sizeof out, out));
    memory_close(&image->memory);
}

TEST(bytes_outside_user_memory_are_refused) {
    static const struct image_bytes piece = {1ull << 47, "x", 1, SEGMENT_READ, NULL};
    struct image *image = NULL;
    struct error *error = image_from_bytes(&piece, 1, &image);
    CHECK(error && !image);
    error_discard(error);
}

TEST(an_empty_image_has_only_faults) {
    struct image *image = NULL;
    CHECK(!image_from_bytes(NULL, 0, &image));
    CHECK(!image_view(image, 0x1000, 1));
    memory_close(&image->memory);
}

TEST_MAIN(RUN(segments_are_sorted_and_rounded_to_pages); RUN(a_view_shows_the_bytes_across_pages_and_segments);
          RUN(what_is_not_there_is_a_fault); RUN(an_offset_leads_back_to_its_address); RUN(many_runs_lead_back_too);
          RUN(pieces_may_share_a_page); RUN(text_ends_with_its_nul_or_is_none);
          RUN(bytes_outside_user_memory_are_refused); RUN(an_empty_image_has_only_faults);)
