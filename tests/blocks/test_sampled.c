/* sampled.h: used blocks of the sampler's spans, small and large; damaged heads are no spans. */
#include "blocks/sampled.h"
#include "seen.h"
#include "wire/wire.h"

#include <string.h>

enum { SPAN = 65536, SPANS = 4 };
#define ADDRESS 0x7f0000100000ull

static _Alignas(64) unsigned char memory[SPANS * SPAN];

static struct seen look(void) {
    struct image_bytes piece = {ADDRESS, memory, sizeof memory, SEGMENT_READ | SEGMENT_WRITE, ""};
    struct seen seen;
    struct image *image = seen_open(&seen, &piece);
    sampled_each_used(image, seen_block, &seen);
    memory_close(&image->memory);
    return seen;
}

static struct wire_block *entries_of(size_t span) {
    return (struct wire_block *)(memory + span * SPAN + sizeof(struct wire_span));
}

static struct wire_span *put_span(size_t at, uint32_t block_size, uint32_t count, uint32_t first, uint64_t length) {
    struct wire_span *span = (struct wire_span *)(memory + at * SPAN);
    *span = (struct wire_span){WIRE_SPAN_MAGIC, block_size, count, first, length, {0}};
    return span;
}

/* A span of blocks of 208 bytes, with the second and the last in use; a large block of two spans; a free span. */
static struct wire_span *make_world(void) {
    memset(memory, 0, sizeof memory);
    struct wire_span *span = put_span(0, 208, 280, 7104, SPAN);
    entries_of(0)[1] = (struct wire_block){.stack = 5, .size = 193, .interval = 1};
    entries_of(0)[2] = (struct wire_block){.stack = 0, .size = 200, .interval = 1};
    entries_of(0)[279] = (struct wire_block){.stack = 6, .size = 208, .interval = 1};
    put_span(1, 0, 1, 128, 2 * SPAN);
    entries_of(1)[0] = (struct wire_block){.stack = 7, .size = 100000, .interval = 1};
    put_span(3, 0, 0, 0, SPAN);
    return span;
}

TEST(used_blocks) {
    make_world();
    struct seen seen = look();
    CHECK(seen.count == 3 && !seen.wrong_offset);
    CHECK(seen.addresses[0] == ADDRESS + 7104 + 208 && seen.sizes[0] == 193);
    CHECK(seen.addresses[1] == ADDRESS + 7104 + 279 * 208 && seen.sizes[1] == 208);
    CHECK(seen.addresses[2] == ADDRESS + SPAN + 128 && seen.sizes[2] == 100000);
}

TEST(damaged_heads) {
    make_world()->magic++;
    CHECK(look().count == 1);
    make_world()->length = SPAN + 8;
    CHECK(look().count == 1);
    make_world()->count = 281; /* more than there is room for */
    CHECK(look().count == 1);
    make_world()->first = 64; /* within the table */
    CHECK(look().count == 1);
    make_world()->count = UINT32_MAX;
    CHECK(look().count == 1);
}

TEST(damaged_entries) {
    make_world();
    entries_of(0)[1].size = 209;             /* more than a block has */
    entries_of(0)[279].size = 3;             /* less than an object has */
    entries_of(1)[0].size = 2 * SPAN - 100;  /* behind the span's end */
    CHECK(look().count == 0);
}

TEST_MAIN(RUN(used_blocks); RUN(damaged_heads); RUN(damaged_entries);)
