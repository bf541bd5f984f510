/* Lays out objects as CPython would, from the same generated layout rows that are under test. */
#include "support/python_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { IN_FRONT = 80 };

remote_address python_world_block(struct python_world *world, uint64_t size) {
    world->used = (world->used + IN_FRONT + 15) & ~15ull;
    remote_address address = WORLD_BASE + world->used;
    world->used += size;
    if (world->used + IN_FRONT > WORLD_BYTES)
        abort();
    return address;
}

void python_world_set(struct python_world *world, remote_address address, uint64_t word) {
    memcpy(world->bytes + (address - WORLD_BASE), &word, sizeof word);
}

static void set_byte(struct python_world *world, remote_address address, unsigned value) {
    world->bytes[address - WORLD_BASE] = (unsigned char)value;
}

static remote_address place_text(struct python_world *world, const char *text) {
    remote_address address = python_world_block(world, strlen(text) + 1);
    memcpy(world->bytes + (address - WORLD_BASE), text, strlen(text));
    return address;
}

remote_address python_world_object(struct python_world *world, remote_address type, uint64_t size) {
    remote_address object = python_world_block(world, size);
    python_world_set(world, object + OBJECT_REFCOUNT, 1);
    python_world_set(world, object + OBJECT_TYPE, type);
    return object;
}

remote_address python_world_type(struct python_world *world, const char *name, uint64_t basic_size, uint64_t item_size,
                                 uint64_t flags, remote_address base) {
    const struct layout *layout = world->layout;
    remote_address type = python_world_object(world, world->type, layout->heap_type_size);
    python_world_set(world, type + layout->type_name, place_text(world, name));
    python_world_set(world, type + layout->type_basic_size, basic_size);
    python_world_set(world, type + layout->type_item_size, item_size);
    python_world_set(world, type + layout->type_flags, flags | TPFLAGS_READY);
    python_world_set(world, type + layout->type_base, base ? base : world->object_type);
    return type;
}

void python_world_attributes(struct python_world *world, remote_address type, const char *const *attributes) {
    remote_address entries[16][2] = {{0}};
    size_t count = 0;
    for (; attributes[count]; count++)
        entries[count][0] = python_world_text(world, attributes[count]);
    python_world_set(world, type + world->layout->heap_type_cached_keys,
                     python_world_keys(world, 2, count, (const remote_address(*)[2])entries));
}

remote_address python_world_text(struct python_world *world, const char *text) {
    const struct layout *layout = world->layout;
    remote_address object = python_world_object(world, world->text_type, layout->text_compact_size + strlen(text) + 1);
    python_world_set(world, object + layout->text_length, strlen(text));
    python_world_set(world, object + layout->text_state,
                     layout->text_compact_bit | layout->text_ascii_bit | 1u << layout->text_kind_shift);
    memcpy(world->bytes + (object + layout->text_ascii_size - WORLD_BASE), text, strlen(text));
    return object;
}

remote_address python_world_keys(struct python_world *world, int kind, size_t count, const remote_address (*entries)[2]) {
    const struct layout *layout = world->layout;
    enum { LOG2_SIZE = 5 };
    if (layout->keys_kind == LAYOUT_NONE) /* all tables have general entries there */
        kind = 0;
    uint64_t entry_size = kind == 0 ? 24 : 16;
    remote_address keys = python_world_block(world, layout->keys_indices + (1 << LOG2_SIZE) + count * entry_size);
    python_world_set(world, keys, 1);
    if (layout->keys_size != LAYOUT_NONE) {
        python_world_set(world, keys + layout->keys_size, 1 << LOG2_SIZE);
    } else {
        set_byte(world, keys + layout->keys_log2_size, LOG2_SIZE);
        set_byte(world, keys + layout->keys_log2_index_bytes, LOG2_SIZE);
        set_byte(world, keys + layout->keys_kind, (unsigned)kind);
    }
    python_world_set(world, keys + layout->keys_entry_count, count);
    remote_address entry = keys + layout->keys_indices + (1 << LOG2_SIZE);
    for (size_t i = 0; i < count; i++, entry += entry_size) {
        python_world_set(world, entry + (kind == 0 ? 8 : 0), entries[i][0]);
        python_world_set(world, entry + (kind == 0 ? 16 : 8), entries[i][1]);
    }
    return keys;
}

void python_world_begin(struct python_world *world, uint32_t version) {
    memset(world, 0, sizeof *world);
    world->layout = layout_find(version);
    world->bytes = calloc(1, WORLD_BYTES);
    const struct layout *layout = world->layout;
    world->type = python_world_type(world, "type", layout->heap_type_size, 40, TPFLAGS_HAVE_GC | TPFLAGS_TYPE_SUBCLASS, 0);
    python_world_set(world, world->type + OBJECT_TYPE, world->type);
    world->object_type = python_world_type(world, "object", OBJECT_HEAD, 0, 0, 0);
    python_world_set(world, world->object_type + layout->type_base, 0);
    python_world_set(world, world->type + layout->type_base, world->object_type);
    world->text_type = python_world_type(world, "str", layout->text_compact_size + 8, 0, TPFLAGS_UNICODE_SUBCLASS, 0);
    world->long_type = python_world_type(world, "int", layout->long_digits, 4, TPFLAGS_LONG_SUBCLASS, 0);
}

void python_world_freeze(struct python_world *world) {
    struct image_bytes piece = {WORLD_BASE, world->bytes, WORLD_BYTES, SEGMENT_READ | SEGMENT_WRITE, ""};
    struct image *image = NULL;
    struct error *error = image_from_bytes(&piece, 1, &image);
    if (error)
        abort();
    world->model = calloc(1, sizeof *world->model);
    world->model->image = image;
    world->model->layout = world->layout;
    world->model->type_type = world->type;
}

void python_world_end(struct python_world *world) {
    model_close(world->model);
    free(world->bytes);
}

struct world_visitor {
    struct reference_visitor visitor;
    struct python_world *world;
};

static void keep_reference(struct reference_visitor *visitor, remote_address target, enum reference_kind kind,
                           struct reference_label label) {
    struct python_world *world = ((struct world_visitor *)visitor)->world;
    if (world->reference_count == WORLD_REFERENCES || model_object_type(world->model, target) == MODEL_NOT_A_TYPE)
        return;
    struct world_reference *kept = &world->references[world->reference_count++];
    *kept = (struct world_reference){target, kind, ""};
    struct arena arena = {0};
    struct span name = model_label(world->model, label, &arena);
    if (label.kind == LABEL_INDEX)
        snprintf(kept->name, sizeof kept->name, "[%llu]", (unsigned long long)label.value);
    else
        snprintf(kept->name, sizeof kept->name, "%.*s", (int)name.length, name.length ? name.data : "");
    arena_deinit(&arena);
}

size_t python_world_walk(struct python_world *world, remote_address object) {
    struct world_visitor visitor = {{keep_reference}, world};
    world->reference_count = 0;
    uint32_t type = model_object_type(world->model, object);
    if (type != MODEL_NOT_A_TYPE)
        model_walk(world->model, object, type, &visitor.visitor);
    return world->reference_count;
}

bool python_world_found(const struct python_world *world, remote_address target, enum reference_kind kind, const char *name) {
    for (size_t i = 0; i < world->reference_count; i++) {
        const struct world_reference *kept = &world->references[i];
        if (kept->target == target && kept->kind == kind && (!name || strcmp(kept->name, name) == 0))
            return true;
    }
    return false;
}
