/* Walkers over small worlds of each layout row, sound ones and absurd ones. */
#include "support/check.h"
#include "support/python_world.h"

static const uint32_t versions[] = {0x030912f0, 0x030a0df0, 0x030b07f0, 0x030c01f0,
                                    0x030d00f0, 0x030d12f0, 0x030e0af0, 0x030f02f0};
#define EACH_VERSION(i) (size_t i = 0; i < sizeof versions / sizeof *versions; i++)

TEST(a_list_refers_to_its_items_by_position) {
    for EACH_VERSION (i) {
        struct python_world world;
        python_world_begin(&world, versions[i]);
        remote_address list_type = python_world_type(&world, "list", 40, 0, TPFLAGS_HAVE_GC | TPFLAGS_LIST_SUBCLASS, 0);
        remote_address first = python_world_text(&world, "one"), second = python_world_text(&world, "two");
        remote_address list = python_world_object(&world, list_type, 40), items = python_world_block(&world, 32);
        python_world_set(&world, items, first);
        python_world_set(&world, items + 8, second);
        python_world_set(&world, items + 16, first); /* beyond the end: stale */
        python_world_set(&world, list + OBJECT_SIZE, 2);
        python_world_set(&world, list + world.layout->list_items, items);
        python_world_set(&world, list + world.layout->list_allocated, 4);
        python_world_freeze(&world);
        CHECK_EQUAL(python_world_walk(&world, list), 2);
        CHECK(python_world_found(&world, second, REFERENCE_INDEX, "[1]"));
        uint32_t type = model_object_type(world.model, list);
        CHECK_EQUAL(model_size(world.model, list, type), 40 + 4 * 8 + GC_HEAD);
        int64_t bound;
        CHECK_EQUAL(model_length(world.model, list, type, &bound), 2);
        CHECK_EQUAL(bound, -1);
        python_world_end(&world);
    }
}

static remote_address make_dict(struct python_world *world, remote_address keys, remote_address values) {
    uint64_t size = world->layout->dict_values + 8;
    remote_address type = python_world_type(world, "dict", size, 0, TPFLAGS_HAVE_GC | TPFLAGS_DICT_SUBCLASS, 0);
    remote_address dict = python_world_object(world, type, size);
    python_world_set(world, dict + world->layout->dict_keys, keys);
    python_world_set(world, dict + world->layout->dict_values, values);
    python_world_set(world, dict + world->layout->dict_used, 1);
    return dict;
}

TEST(a_dict_names_its_values_by_their_keys) {
    for EACH_VERSION (i)
        for (int kind = 0; kind < 2; kind++) {
            struct python_world world;
            python_world_begin(&world, versions[i]);
            remote_address value = python_world_text(&world, "value"), key = python_world_text(&world, "colour");
            remote_address entries[3][2] = {{key, value}, {key, 0}, {python_world_text(&world, "size"), value}};
            remote_address keys = python_world_keys(&world, kind, 3, (const remote_address(*)[2])entries);
            remote_address dict = make_dict(&world, keys, 0);
            python_world_freeze(&world);
            CHECK_EQUAL(python_world_walk(&world, dict), 4); /* the removed entry is none */
            CHECK(python_world_found(&world, value, REFERENCE_KEY, "colour"));
            CHECK(python_world_found(&world, value, REFERENCE_KEY, "size"));
            CHECK(python_world_found(&world, key, REFERENCE_KEY_OBJECT, ""));
            CHECK_EQUAL(model_dict_get(world.model, dict, "size"), value);
            CHECK_EQUAL(model_dict_get(world.model, dict, "weight"), 0);
            python_world_end(&world);
        }
}

TEST(attribute_values_without_a_dict_are_found) {
    for EACH_VERSION (i) {
        struct python_world world;
        python_world_begin(&world, versions[i]);
        const struct layout *layout = world.layout;
        bool inline_values = layout->inline_values;
        if (layout->managed_dict == LAYOUT_NONE && layout->managed_values_tagged == LAYOUT_NONE) {
            python_world_end(&world); /* all instances have a dict there, if anything */
            continue;
        }
        uint64_t flags = TPFLAGS_HEAPTYPE | TPFLAGS_HAVE_GC | TPFLAGS_MANAGED_DICT | (inline_values ? TPFLAGS_INLINE_VALUES : 0);
        remote_address type = python_world_type(&world, "Session", OBJECT_HEAD, 0, flags, 0);
        python_world_attributes(&world, type, (const char *const[]){"user", "cart", NULL});
        remote_address cart = python_world_text(&world, "cart value");
        remote_address object = python_world_object(&world, type, 64), values = object + OBJECT_HEAD;
        if (inline_values) {
            python_world_set(&world, values, 2 | 2 << 8 | 1 << 16 | 1 << 24); /* capacity, size, embedded, valid */
        } else {
            values = python_world_block(&world, 32);
            if (layout->managed_values != LAYOUT_NONE)
                python_world_set(&world, object - layout->managed_values, values);
            else
                python_world_set(&world, object - layout->managed_values_tagged, values - 1);
        }
        python_world_set(&world, values + layout->values_items + 8, cart);
        python_world_freeze(&world);
        python_world_walk(&world, object);
        CHECK(python_world_found(&world, cart, REFERENCE_ATTRIBUTE, "cart"));
        CHECK(python_world_found(&world, type, REFERENCE_TYPE, "__class__"));
        CHECK_EQUAL(world.reference_count, 2);
        python_world_end(&world);
    }
}

TEST(words_of_an_unknown_c_type_are_followed_when_they_are_objects) {
    struct python_world world;
    python_world_begin(&world, 0x030b07f0);
    remote_address type = python_world_type(&world, "kit.Box", 56, 0, 0, 0);
    python_world_set(&world, type + world.layout->type_weaklist_offset, 40);
    remote_address value = python_world_text(&world, "value"), box = python_world_object(&world, type, 56);
    python_world_set(&world, box + 16, value);
    python_world_set(&world, box + 24, 0x1234567890); /* a number */
    python_world_set(&world, box + 32, value + 4);    /* into the middle */
    python_world_set(&world, box + 40, value);        /* the weak reference list is borrowed */
    python_world_freeze(&world);
    CHECK_EQUAL(python_world_walk(&world, box), 1);
    CHECK(python_world_found(&world, value, REFERENCE_SLOT, ""));
    python_world_end(&world);
}

TEST(a_weak_reference_holds_its_callback_only) {
    struct python_world world;
    python_world_begin(&world, 0x030c01f0);
    remote_address type = python_world_type(&world, "weakref.ReferenceType", 72, 0, TPFLAGS_HAVE_GC, 0);
    remote_address target = python_world_text(&world, "target"), callback = python_world_text(&world, "callback");
    remote_address reference = python_world_object(&world, type, 72);
    python_world_set(&world, reference + 16, target);
    python_world_set(&world, reference + world.layout->weakref_callback, callback);
    python_world_freeze(&world);
    CHECK_EQUAL(python_world_walk(&world, reference), 1);
    CHECK(python_world_found(&world, callback, REFERENCE_SLOT, "__callback__"));
    python_world_end(&world);
}

TEST(a_deque_is_followed_across_its_blocks_and_tells_its_bound) {
    struct python_world world;
    python_world_begin(&world, 0x030b07f0);
    remote_address type = python_world_type(&world, "collections.deque", 216, 0, TPFLAGS_HAVE_GC, 0);
    remote_address item = python_world_text(&world, "item"), deque = python_world_object(&world, type, 216);
    remote_address left = python_world_block(&world, 528), right = python_world_block(&world, 528);
    python_world_set(&world, left + 8 + 63 * 8, item);
    python_world_set(&world, left + 520, right);
    python_world_set(&world, right + 8, item);
    python_world_set(&world, deque + OBJECT_SIZE, 2);
    python_world_set(&world, deque + 24, left);
    python_world_set(&world, deque + 40, 63);
    python_world_set(&world, deque + 64, 500);
    python_world_freeze(&world);
    CHECK_EQUAL(python_world_walk(&world, deque), 2);
    int64_t bound;
    CHECK_EQUAL(model_length(world.model, deque, model_object_type(world.model, deque), &bound), 2);
    CHECK_EQUAL(bound, 500);
    python_world_end(&world);
}

TEST(absurd_sizes_are_faults_and_nothing_worse) {
    static const struct { const char *name; uint64_t flags; } types[] = {
        {"list", TPFLAGS_LIST_SUBCLASS}, {"tuple", TPFLAGS_TUPLE_SUBCLASS}, {"dict", TPFLAGS_DICT_SUBCLASS}, {"set", 0},
        {"collections.deque", 0}, {"collections.OrderedDict", TPFLAGS_DICT_SUBCLASS}, {"functools._lru_cache_wrapper", 0},
        {"code", 0}, {"frame", 0}, {"generator", 0}, {"function", 0}, {"module", 0}, {"xml.etree.ElementTree.Element", 0}};
    for EACH_VERSION (i)
        for (size_t t = 0; t < sizeof types / sizeof *types; t++)
            for (int pattern = 0; pattern < 4; pattern++) {
                struct python_world world;
                python_world_begin(&world, versions[i]);
                remote_address type = python_world_type(&world, types[t].name, 256, 8, TPFLAGS_HAVE_GC | types[t].flags, 0);
                remote_address object = python_world_object(&world, type, 256);
                uint64_t words[] = {UINT64_MAX, object, 1ull << 62, WORLD_BASE + WORLD_BYTES - 8};
                for (int word = 16; word < 256; word += 8)
                    python_world_set(&world, object + (uint64_t)word, words[pattern]);
                python_world_freeze(&world);
                uint32_t model_of = model_object_type(world.model, object);
                python_world_walk(&world, object);
                CHECK(model_of != MODEL_NOT_A_TYPE);
                CHECK(model_size(world.model, object, model_of) < 1ull << 47);
                python_world_end(&world);
            }
}

TEST(what_is_dead_or_no_object_has_no_type) {
    struct python_world world;
    python_world_begin(&world, 0x030d00f0);
    remote_address text = python_world_text(&world, "alive"), dead = python_world_text(&world, "dead");
    python_world_set(&world, dead + OBJECT_REFCOUNT, 0);
    python_world_freeze(&world);
    CHECK(model_object_type(world.model, text) != MODEL_NOT_A_TYPE);
    CHECK_EQUAL(model_object_type(world.model, dead), MODEL_NOT_A_TYPE);
    CHECK_EQUAL(model_object_type(world.model, text + 8), MODEL_NOT_A_TYPE);
    CHECK_EQUAL(model_object_type(world.model, 0), MODEL_NOT_A_TYPE);
    CHECK_EQUAL(model_object_type(world.model, UINT64_MAX - 7), MODEL_NOT_A_TYPE);
    CHECK_TEXT(model_type(world.model, model_object_type(world.model, text))->name, "str");
    python_world_end(&world);
}

TEST(rows_are_chosen_by_minor_version_and_nearest_patch) {
    CHECK_EQUAL(layout_find(0x030b02f0)->version, 0x030b02f0);
    CHECK_EQUAL(layout_find(0x030b09f0)->version, 0x030b07f0);
    CHECK_EQUAL(layout_find(0x030d05f0)->version, 0x030d05f0);
    CHECK_EQUAL(layout_find(0x030d0cf0)->version, 0x030d12f0);
    CHECK_EQUAL(layout_find(0x030900f0)->version, 0x030902f0);
    CHECK(layout_find(0x030812f0) == NULL);
    CHECK(layout_find(0x031000f0) == NULL);
}

/* Each row's minor version is named in messages, and nothing else is. */
TEST(the_supported_versions_are_those_of_the_rows) {
    size_t count;
    const struct layout *rows = layout_rows(&count);
    char expected[256] = "";
    uint32_t last = 0;
    for (size_t i = 0; i < count; i++) {
        if (rows[i].version >> 16 == last)
            continue;
        last = rows[i].version >> 16;
        size_t length = strlen(expected);
        snprintf(expected + length, sizeof expected - length, "%s%u.%u", length ? ", " : "", last >> 8, last & 0xff);
    }
    CHECK_TEXT(layout_supported_versions(), expected);
}

TEST(no_field_of_a_row_was_forgotten) {
    size_t count;
    const struct layout *rows = layout_rows(&count);
    for (size_t i = 0; i < count; i++) {
        /* a field that is absent must be LAYOUT_NONE; 0 is an offset */
        CHECK(rows[i].runtime_size > 400);
        CHECK(rows[i].interpreter_gc > 0);
        CHECK(rows[i].object_refcount_size == 4 || rows[i].object_refcount_size == 8);
        CHECK((rows[i].keys_size == LAYOUT_NONE) == (rows[i].keys_kind != LAYOUT_NONE));
        CHECK((rows[i].frame_object_frame == LAYOUT_NONE) == (rows[i].frame_owner == LAYOUT_NONE));
        CHECK((rows[i].frame_object_frame == LAYOUT_NONE) == (rows[i].generator_frame == LAYOUT_NONE));
    }
}

enum { FRAME_LOCALS = 2, FRAME_STACK = 1 };

/* A code object with two local variables, `request` and `answer`. */
static remote_address make_code(struct python_world *world) {
    const struct layout *layout = world->layout;
    remote_address tuple_type = python_world_type(world, "tuple", 24, 8, TPFLAGS_HAVE_GC | TPFLAGS_TUPLE_SUBCLASS, 0);
    remote_address names = python_world_object(world, tuple_type, layout->tuple_items + FRAME_LOCALS * 8);
    python_world_set(world, names + OBJECT_SIZE, FRAME_LOCALS);
    python_world_set(world, names + layout->tuple_items, python_world_text(world, "request"));
    python_world_set(world, names + layout->tuple_items + 8, python_world_text(world, "answer"));
    remote_address code_type = python_world_type(world, "code", layout->code_bytes, 2, 0, 0);
    remote_address code = python_world_object(world, code_type, layout->code_bytes + 16);
    if (layout->code_locals_count != LAYOUT_NONE)
        python_world_set(world, code + (layout->code_locals_count & ~7u),
                         (uint64_t)FRAME_LOCALS << (layout->code_locals_count & 7) * 8);
    python_world_set(world, code + layout->code_local_names, names);
    return code;
}

/* Marks the one word on the stack of a frame as in use, by whichever field tells it. */
static void set_stack_depth(struct python_world *world, remote_address frame) {
    const struct layout *layout = world->layout;
    remote_address stack = frame + layout->frame_localsplus + FRAME_LOCALS * 8;
    if (layout->frame_value_stack != LAYOUT_NONE)
        python_world_set(world, frame + layout->frame_value_stack, stack);
    if (layout->frame_stack_pointer != LAYOUT_NONE)
        python_world_set(world, frame + layout->frame_stack_pointer, stack + FRAME_STACK * 8);
    if (layout->frame_stack_depth != LAYOUT_NONE)
        python_world_set(world, frame + layout->frame_stack_depth, FRAME_STACK);
    if (layout->frame_stacktop != LAYOUT_NONE)
        python_world_set(world, frame + layout->frame_stacktop, FRAME_LOCALS + FRAME_STACK);
    if (layout->frame_executing_value == 0) /* 0 means running there */
        python_world_set(world, frame + (layout->frame_executing & ~7u), 1ull << (layout->frame_executing & 7) * 8);
}

TEST(a_frame_object_that_ended_holds_its_locals_and_its_stack) {
    for EACH_VERSION (i) {
        struct python_world world;
        python_world_begin(&world, versions[i]);
        const struct layout *layout = world.layout;
        remote_address code = make_code(&world);
        remote_address type = python_world_type(&world, "frame", layout->frame_object_size, 8, TPFLAGS_HAVE_GC, 0);
        remote_address object = python_world_object(&world, type, layout->frame_object_size + 256), frame = object;
        if (layout->frame_object_frame != LAYOUT_NONE) {
            frame = object + layout->frame_object_data;
            python_world_set(&world, object + layout->frame_object_frame, frame);
        }
        remote_address request = python_world_text(&world, "a request"), answer = python_world_text(&world, "an answer");
        remote_address temporary = python_world_text(&world, "a temporary"), stale = python_world_text(&world, "stale");
        python_world_set(&world, frame + layout->frame_code, code);
        set_stack_depth(&world, frame);
        python_world_set(&world, frame + layout->frame_localsplus, request);
        python_world_set(&world, frame + layout->frame_localsplus + 8, answer);
        python_world_set(&world, frame + layout->frame_localsplus + 16, temporary);
        python_world_set(&world, frame + layout->frame_localsplus + 24, stale);
        python_world_freeze(&world);
        CHECK_EQUAL(python_world_walk(&world, object), 4);
        CHECK(python_world_found(&world, code, REFERENCE_SLOT, "f_code"));
        CHECK(python_world_found(&world, request, REFERENCE_LOCAL, "request"));
        CHECK(python_world_found(&world, answer, REFERENCE_LOCAL, "answer"));
        CHECK(python_world_found(&world, temporary, REFERENCE_LOCAL, ""));
        CHECK(!python_world_found(&world, stale, REFERENCE_LOCAL, NULL));
        python_world_end(&world);
    }
}

TEST(borrowed_words_and_integers_of_a_frame_are_no_references) {
    struct python_world world;
    python_world_begin(&world, 0x030e0af0);
    const struct layout *layout = world.layout;
    remote_address code = make_code(&world);
    remote_address type = python_world_type(&world, "frame", layout->frame_object_size, 8, TPFLAGS_HAVE_GC, 0);
    remote_address object = python_world_object(&world, type, layout->frame_object_size + 256);
    remote_address frame = object + layout->frame_object_data;
    remote_address lent = python_world_text(&world, "lent"), immortal = python_world_text(&world, "immortal");
    python_world_set(&world, immortal, 3ull << 30);
    python_world_set(&world, object + layout->frame_object_frame, frame);
    python_world_set(&world, frame + layout->frame_code, code | 1);
    set_stack_depth(&world, frame);
    python_world_set(&world, frame + layout->frame_localsplus, lent | 1);
    python_world_set(&world, frame + layout->frame_localsplus + 8, immortal | 1);
    python_world_set(&world, frame + layout->frame_localsplus + 16, lent | 3);
    python_world_freeze(&world);
    CHECK_EQUAL(python_world_walk(&world, object), 1);
    CHECK(python_world_found(&world, immortal, REFERENCE_LOCAL, "answer"));
    python_world_end(&world);
}

TEST(flags_above_a_count_are_no_part_of_it) {
    const struct layout *wide = layout_find(0x030d00f0), *narrow = layout_find(0x030e0af0);
    const uint64_t with_flags = 7 | 5ull << 48, pointer = 0x7fff12345678 /* in a free block */, many = 1ull << 33, seven = 7;
    CHECK_EQUAL(model_refcount(narrow, &with_flags), 7);
    CHECK_EQUAL(model_refcount(narrow, &pointer), 0);
    CHECK_EQUAL(model_refcount(wide, &seven), 7);
    CHECK_EQUAL(model_refcount(wide, &pointer), 0);
    CHECK_EQUAL(model_refcount(wide, &many), UINT32_MAX);
}

TEST(objects_that_the_compiler_made_count_from_a_number_of_their_own) {
    const struct layout *moving = layout_find(0x030b07f0), *fixed = layout_find(0x030c01f0), *none = layout_find(0x030a0df0);
    CHECK(refcount_is_immortal(moving, 999999999));
    CHECK(refcount_is_immortal(moving, 999999999 - 4000));
    CHECK(refcount_is_immortal(moving, 1000400000));
    CHECK(!refcount_is_immortal(moving, 40000000));
    CHECK(refcount_is_immortal(fixed, UINT32_MAX));
    CHECK(!refcount_is_immortal(fixed, 999999999));
    CHECK(!refcount_is_immortal(none, 999999999));
}

TEST_MAIN(RUN(a_list_refers_to_its_items_by_position); RUN(a_dict_names_its_values_by_their_keys);
          RUN(attribute_values_without_a_dict_are_found);
          RUN(words_of_an_unknown_c_type_are_followed_when_they_are_objects);
          RUN(a_weak_reference_holds_its_callback_only); RUN(a_deque_is_followed_across_its_blocks_and_tells_its_bound);
          RUN(absurd_sizes_are_faults_and_nothing_worse); RUN(what_is_dead_or_no_object_has_no_type);
          RUN(rows_are_chosen_by_minor_version_and_nearest_patch);
          RUN(the_supported_versions_are_those_of_the_rows); RUN(no_field_of_a_row_was_forgotten);
          RUN(a_frame_object_that_ended_holds_its_locals_and_its_stack);
          RUN(borrowed_words_and_integers_of_a_frame_are_no_references); RUN(flags_above_a_count_are_no_part_of_it);
          RUN(objects_that_the_compiler_made_count_from_a_number_of_their_own);)
