/* Walkers over small worlds of each layout row, sound ones and absurd ones. */
#include "support/check.h"
#include "support/python_world.h"

static const uint32_t versions[] = {0x030b07f0, 0x030c01f0, 0x030d00f0};
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
    python_world_begin(&world, versions[0]);
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
    python_world_begin(&world, versions[1]);
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
    python_world_begin(&world, versions[0]);
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
    python_world_begin(&world, versions[2]);
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
    CHECK_EQUAL(layout_find(0x030d05f0)->version >> 16, 0x030d);
    CHECK(layout_find(0x030800f0) == NULL);
    CHECK(layout_find(0x030f00f0) == NULL);
}

TEST_MAIN(RUN(a_list_refers_to_its_items_by_position); RUN(a_dict_names_its_values_by_their_keys);
          RUN(attribute_values_without_a_dict_are_found);
          RUN(words_of_an_unknown_c_type_are_followed_when_they_are_objects);
          RUN(a_weak_reference_holds_its_callback_only); RUN(a_deque_is_followed_across_its_blocks_and_tells_its_bound);
          RUN(absurd_sizes_are_faults_and_nothing_worse); RUN(what_is_dead_or_no_object_has_no_type);
          RUN(rows_are_chosen_by_minor_version_and_nearest_patch);)
