/* The words of the language: arena, vector, map, text, error. */
#include "base/arena.h"
#include "base/error.h"
#include "base/map.h"
#include "base/text.h"
#include "base/vector.h"
#include "support/check.h"

#include <errno.h>

TEST(arena_blocks_are_zeroed_and_aligned) {
    struct arena arena = {0};
    for (size_t size = 1; size < 3 << 20; size = size * 3 + 1) {
        unsigned char *block = arena_new(&arena, unsigned char, size);
        CHECK_EQUAL((uintptr_t)block % 16, 0);
        CHECK(block[0] == 0 && block[size - 1] == 0);
        memset(block, 0xff, size);
    }
    arena_deinit(&arena);
    CHECK_EQUAL(arena.bytes, 0);
}

TEST(a_released_block_gives_its_bytes_back) {
    struct arena arena = {0};
    char *small = arena_new(&arena, char, 10);
    char *large = arena_new(&arena, char, 1 << 20);
    size_t before = arena.bytes;
    arena_release(&arena, large);
    CHECK(arena.bytes <= before - (1 << 20));
    arena_release(&arena, small); /* does not stand alone: stays */
    small[9] = 1;
    arena_deinit(&arena);
}

TEST(an_arena_that_joins_another_lives_as_long_as_that) {
    struct arena arena = {0}, other = {0}, empty = {0};
    char *own = arena_copy_text(&arena, "own", 3), *large = arena_new(&other, char, 1 << 20);
    char *joined = arena_copy_text(&other, "joined", 6);
    size_t bytes = arena.bytes + other.bytes;
    arena_join(&arena, &other);
    arena_join(&arena, &empty);
    CHECK(!other.chunks && other.bytes == 0);
    CHECK_EQUAL(arena.bytes, bytes);
    memset(large, 'x', 1 << 20);
    CHECK_TEXT(own, "own");
    CHECK_TEXT(joined, "joined");
    arena_deinit(&arena);
    CHECK_EQUAL(arena.bytes, 0);
    arena_join(&empty, &arena);
    CHECK(!empty.chunks);
}

TEST(a_vector_keeps_its_items_when_it_grows) {
    struct vector vector = {0};
    for (uint32_t i = 0; i < 100000; i++)
        *vector_push(&vector, uint32_t) = i * 7;
    CHECK_EQUAL(vector.count, 100000);
    for (uint32_t i = 0; i < 100000; i += 997)
        CHECK_EQUAL(vector_items(&vector, uint32_t)[i], i * 7);
    vector_deinit(&vector);
}

TEST(a_map_finds_what_was_set_and_nothing_else) {
    struct map map = {0};
    CHECK_EQUAL(map_find(&map, 5), MAP_ABSENT);
    for (uint64_t key = 0; key < 20000; key++)
        map_set(&map, key * 4096, (uint32_t)key);
    map_set(&map, 4096, 77);
    CHECK_EQUAL(map.count, 20000);
    CHECK_EQUAL(map_find(&map, 4096), 77);
    CHECK_EQUAL(map_find(&map, 4096 * 19999), 19999);
    CHECK_EQUAL(map_find(&map, 4097), MAP_ABSENT);
    map_deinit(&map);
}

TEST(text_grows_and_ends_with_nul) {
    struct text text = {0};
    CHECK_TEXT(text_get(&text), "");
    for (int i = 0; i < 100; i++)
        text_format(&text, "%d,", i);
    CHECK_EQUAL(text.length, 290);
    CHECK_EQUAL(strlen(text.data), 290);
    text_clear(&text);
    text_add(&text, "a");
    CHECK_TEXT(text_get(&text), "a");
    text_deinit(&text);
}

TEST(an_error_from_errno_says_what_and_why) {
    errno = ENOENT;
    struct error *error = error_from_errno(STATUS_NO_TARGET, "opening %s", "/x");
    CHECK_TEXT(error->message, "opening /x: No such file or directory");
    CHECK_EQUAL(error->status, 66);
    error_discard(error);
}

TEST_MAIN(RUN(arena_blocks_are_zeroed_and_aligned); RUN(an_arena_that_joins_another_lives_as_long_as_that); RUN(a_released_block_gives_its_bytes_back);
          RUN(a_vector_keeps_its_items_when_it_grows); RUN(a_map_finds_what_was_set_and_nothing_else);
          RUN(text_grows_and_ends_with_nul); RUN(an_error_from_errno_says_what_and_why);)
