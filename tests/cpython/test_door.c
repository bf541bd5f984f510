/* Which row a process is read by: runtimes laid out by hand after a row, as a release that moved something would have
 * them. */
#include "cpython/door.h"

#include "memory/image.h"
#include "support/check.h"

#include <stdlib.h>

enum { SIZE = 1 << 20, INTERPRETER = 0x2000, OBJECTS = SIZE - 0x4000 };
#define BASE 0x7e0000000000ull

/* The words of a runtime with one interpreter, one thread, empty lists. */
struct door_world {
    struct layout layout; /* of what is in the bytes */
    unsigned char *bytes;
    struct image *image;
};

static void set(struct door_world *world, uint64_t place, uint64_t word) {
    memcpy(world->bytes + place, &word, sizeof word);
}

static void set_lists(struct door_world *world) {
    const struct layout *layout = &world->layout;
    uint64_t gc = INTERPRETER + layout->interpreter_gc;
    for (int i = 0; i < 4; i++) {
        uint64_t head = gc + (i < 3 ? layout->gc_generations + (uint64_t)i * layout->gc_generation_size
                                    : layout->gc_permanent_generation);
        set(world, head, BASE + head);
        set(world, head + 8, BASE + head);
    }
}

/* A metatype, the type of dicts, a dict, and the words that lead to them. */
static void set_objects(struct door_world *world) {
    const struct layout *layout = &world->layout;
    enum { METATYPE = OBJECTS, DICT_TYPE = OBJECTS + 0x1000, DICT = OBJECTS + 0x2000 };
    set(world, METATYPE + layout->object_type, BASE + METATYPE);
    set(world, DICT_TYPE + layout->object_type, BASE + METATYPE);
    set(world, DICT_TYPE + layout->type_flags, TPFLAGS_DICT_SUBCLASS);
    set(world, DICT + layout->object_type, BASE + DICT_TYPE);
    if (layout->interpreter_interned != LAYOUT_NONE)
        set(world, INTERPRETER + layout->interpreter_interned, BASE + DICT);
    if (layout->interpreter_static_types != LAYOUT_NONE)
        set(world, INTERPRETER + layout->interpreter_static_types + layout->static_type_type, BASE + DICT_TYPE);
}

#define TELL(name)                                                                                                      \
    if (layout->told_##name != LAYOUT_NONE)                                                                             \
        set(world, layout->told_##name, layout->name);

static void tell(struct door_world *world, uint32_t version) {
    const struct layout *layout = &world->layout;
    if (layout->told_runtime_size == LAYOUT_NONE)
        return;
    memcpy(world->bytes, "xdebugpy", 8);
    set(world, 8, version);
    set(world, 16, layout->build & LAYOUT_FREE_THREADED);
    LAYOUT_TOLD_FIELDS(TELL)
}

static void make(struct door_world *world, const struct layout *layout, uint32_t version) {
    world->layout = *layout;
    world->bytes = calloc(1, SIZE);
    world->image = NULL;
    uint64_t thread = INTERPRETER + layout->interpreter_initial_thread;
    set(world, layout->runtime_interpreters_head, BASE + INTERPRETER);
    set(world, INTERPRETER + layout->interpreter_runtime, BASE);
    set(world, INTERPRETER + layout->interpreter_threads, BASE + thread);
    set(world, thread + layout->thread_interpreter, BASE + INTERPRETER);
    set_lists(world);
    set_objects(world);
    tell(world, version);
}

static void open_image(struct door_world *world) {
    struct image_bytes piece = {BASE, world->bytes, SIZE, SEGMENT_READ | SEGMENT_WRITE, ""};
    if (image_from_bytes(&piece, 1, &world->image))
        abort();
}

static void end(struct door_world *world) {
    memory_close(&world->image->memory);
    free(world->bytes);
}

static const struct layout *choose(struct door_world *world, uint32_t version, struct layout *made) {
    open_image(world);
    const struct layout *chosen = door_choose(&world->image->memory, version, BASE, made);
    end(world);
    return chosen;
}

static const struct layout *choose_for(const struct layout *layout, uint32_t version, struct layout *made) {
    struct door_world world;
    make(&world, layout, version);
    return choose(&world, version, made);
}

static const struct layout *row_of(uint32_t version, uint32_t build) {
    size_t count;
    const struct layout *rows = layout_rows(&count);
    for (size_t i = 0; i < count; i++)
        if (rows[i].version == version && rows[i].build == build)
            return &rows[i];
    abort();
}

/* A first thread within the interpreter, and lists: from 3.11 on, not free-threaded. */
static bool has_this_form(const struct layout *row) {
    return row->interpreter_initial_thread != LAYOUT_NONE && !(row->build & LAYOUT_FREE_THREADED);
}

TEST(each_row_reads_what_is_laid_out_after_it_whatever_the_number_says) {
    size_t count, asked = 0;
    const struct layout *rows = layout_rows(&count);
    for (size_t i = 0; i < count; i++) {
        if (!has_this_form(&rows[i]))
            continue;
        struct layout made;
        uint32_t later = rows[i].version + 0x0100; /* the next patch release */
        const struct layout *chosen = choose_for(&rows[i], later, &made);
        CHECK(chosen);
        CHECK_EQUAL(chosen->build, rows[i].build);
        CHECK_EQUAL(chosen->interpreter_initial_thread, rows[i].interpreter_initial_thread);
        CHECK_EQUAL(chosen->gc_generations, rows[i].gc_generations);
        CHECK_EQUAL(chosen->interpreter_free_lists, rows[i].interpreter_free_lists);
        asked++;
    }
    CHECK(asked >= 12);
}

TEST(a_debug_build_is_not_read_by_the_row_of_a_release) {
    struct layout made;
    CHECK_EQUAL(choose_for(row_of(0x030e0af0, LAYOUT_DEBUG), 0x030e0af0, &made)->build, LAYOUT_DEBUG);
    CHECK_EQUAL(choose_for(row_of(0x030e0af0, 0), 0x030e0af0, &made)->build, 0);
    /* 3.12 has no table: the first thread and the interned strings decide */
    CHECK_EQUAL(choose_for(row_of(0x030c01f0, LAYOUT_DEBUG), 0x030c01f0, &made)->build, LAYOUT_DEBUG);
    CHECK_EQUAL(choose_for(row_of(0x030c01f0, 0), 0x030c01f0, &made)->build, 0);
}

/* A program that links objects while it is read: the first readings of a head of a list, and they only, tell a list
 * that is no ring. */
struct unsteady {
    struct memory memory;
    const struct memory *real;
    remote_address head;
    int *unsteady_reads;
};

static bool read_unsteady(const struct memory *memory, remote_address address, size_t size, void *out) {
    const struct unsteady *unsteady = (const void *)memory;
    if (address != unsteady->head || !*unsteady->unsteady_reads)
        return memory_read(unsteady->real, address, size, out);
    --*unsteady->unsteady_reads;
    memset(out, 0, size);
    return true;
}

static const struct memory_operations unsteady_operations = {.read = read_unsteady};

/* The build that a world is taken for while its youngest list is no ring for `reads` readings. */
static uint32_t choose_unsteady(const struct layout *layout, int reads) {
    struct door_world world;
    make(&world, layout, layout->version);
    open_image(&world);
    struct unsteady unsteady = {world.image->memory, &world.image->memory,
                                BASE + INTERPRETER + layout->interpreter_gc + layout->gc_generations, &reads};
    unsteady.memory.operations = &unsteady_operations;
    struct layout made;
    const struct layout *chosen = door_choose(&unsteady.memory, layout->version, BASE, &made);
    end(&world);
    return chosen ? chosen->build : UINT32_MAX;
}

TEST(a_release_whose_lists_move_while_it_is_read_is_not_taken_for_a_debug_build) {
    size_t count;
    const struct layout *rows = layout_rows(&count);
    for (size_t i = 0; i < count; i++)
        for (int reads = 0; reads < 20 && has_this_form(&rows[i]); reads++)
            CHECK_EQUAL(choose_unsteady(&rows[i], reads), rows[i].build);
}

TEST(offsets_that_the_process_tells_are_laid_over_the_row) {
    struct layout release = *row_of(0x030e0af0, 0), made;
    release.interpreter_gc += 16;
    release.interpreter_size += 24;
    release.frame_localsplus += 8;
    release.dict_values += 8;
    const struct layout *chosen = choose_for(&release, 0x030e02f0, &made);
    CHECK(chosen == &made);
    CHECK_EQUAL(made.interpreter_gc, release.interpreter_gc);
    CHECK_EQUAL(made.interpreter_size, release.interpreter_size);
    CHECK_EQUAL(made.frame_localsplus, release.frame_localsplus);
    CHECK_EQUAL(made.dict_values, release.dict_values);
    CHECK_EQUAL(made.dict_keys, release.dict_keys);
}

TEST(without_a_table_moved_structures_are_refused) {
    struct layout release = *row_of(0x030c01f0, 0), made;
    release.interpreter_runtime += 8;
    CHECK(!choose_for(&release, 0x030c09f0, &made));
}

/* 3.14.0 has young and old[2] right behind its first two words; 3.13.5 moved three lists by half a word. */
TEST(lists_of_the_collector_that_the_table_does_not_tell_are_found_as_rings) {
    struct layout release = *row_of(0x030e0af0, 0), made;
    uint32_t statistics = release.gc_statistics;
    release.gc_generations = 8;
    release.gc_permanent_generation = 80;
    const struct layout *chosen = choose_for(&release, 0x030e00f0, &made);
    CHECK(chosen == &made);
    CHECK_EQUAL(made.gc_generations, 8);
    CHECK_EQUAL(made.gc_permanent_generation, 80);
    CHECK_EQUAL(made.gc_statistics, statistics - 16);
    CHECK_EQUAL(made.gc_enabled, 0);
    release = *row_of(0x030c01f0, 0);
    release.gc_generations -= 4;
    release.gc_generation_size = 24;
    chosen = choose_for(&release, 0x030c0cf0, &made);
    CHECK(chosen == &made);
    CHECK_EQUAL(made.gc_generations, release.gc_generations);
    CHECK_EQUAL(made.gc_permanent_generation, release.gc_permanent_generation);
    CHECK_EQUAL(made.gc_enabled, release.gc_enabled);
    CHECK_EQUAL(made.gc_collecting, release.gc_collecting);
}

TEST(absurd_offsets_are_not_laid_over) {
    const struct layout *row = row_of(0x030d12f0, 0);
    struct layout made;
    struct door_world world;
    make(&world, row, 0x030d12f0);
    set(&world, row->told_interpreter_gc, 1ull << 40);
    set(&world, row->told_dict_keys, row->dict_keys + 8); /* nor is any other then */
    const struct layout *chosen = choose(&world, 0x030d12f0, &made);
    CHECK(chosen);
    CHECK_EQUAL(chosen->interpreter_gc, row->interpreter_gc);
    CHECK_EQUAL(chosen->dict_keys, row->dict_keys);
}

TEST(tables_at_the_end_of_the_interpreter_move_with_its_first_thread) {
    struct layout release = *row_of(0x030e0af0, 0), made;
    release.interpreter_initial_thread += 48;
    release.interpreter_interned += 48;
    release.interpreter_static_types += 48;
    release.interpreter_size += 48;
    const struct layout *chosen = choose_for(&release, 0x030e0bf0, &made);
    CHECK(chosen == &made);
    CHECK_EQUAL(made.interpreter_interned, release.interpreter_interned);
    CHECK_EQUAL(made.interpreter_static_types, release.interpreter_static_types);
    /* by a different distance: nobody can say where they are */
    release.interpreter_interned += 16;
    CHECK(!choose_for(&release, 0x030e0bf0, &made));
}

TEST(a_free_threaded_build_is_not_read_by_the_row_of_a_default_one) {
    struct layout made;
    struct door_world world;
    make(&world, row_of(0x030e0af0, 0), 0x030e0af0);
    set(&world, 16, 1);
    CHECK(!choose(&world, 0x030e0af0, &made));
}

TEST_MAIN(RUN(each_row_reads_what_is_laid_out_after_it_whatever_the_number_says);
          RUN(a_debug_build_is_not_read_by_the_row_of_a_release);
          RUN(a_release_whose_lists_move_while_it_is_read_is_not_taken_for_a_debug_build);
          RUN(offsets_that_the_process_tells_are_laid_over_the_row);
          RUN(without_a_table_moved_structures_are_refused);
          RUN(lists_of_the_collector_that_the_table_does_not_tell_are_found_as_rings);
          RUN(absurd_offsets_are_not_laid_over); RUN(tables_at_the_end_of_the_interpreter_move_with_its_first_thread);
          RUN(a_free_threaded_build_is_not_read_by_the_row_of_a_default_one);)
