/* Objects of a CPython that never ran, laid out by hand in an image: a small world for the walkers. */
#ifndef CAULK_TESTS_PYTHON_WORLD_H
#define CAULK_TESTS_PYTHON_WORLD_H

#include "cpython/model.h"

enum { WORLD_BYTES = 1 << 20, WORLD_REFERENCES = 64 };
#define WORLD_BASE 0x7f0000000000ull

struct world_reference {
    remote_address target;
    enum reference_kind kind;
    char name[64]; /* "" if none; "[3]" for a position */
};

struct python_world {
    const struct layout *layout;
    unsigned char *bytes;
    uint64_t used;
    remote_address type, object_type, text_type, long_type;
    struct model *model; /* after python_world_freeze */
    struct world_reference references[WORLD_REFERENCES];
    size_t reference_count;
};

/* A world with `type`, `object`, `str` and `int`, in the layout of `version` (as sys.hexversion). */
void python_world_begin(struct python_world *world, uint32_t version);
void python_world_end(struct python_world *world);

/* `size` zeroed bytes, 16-aligned; more than 64 bytes lie in front for managed dicts and GC heads. */
remote_address python_world_block(struct python_world *world, uint64_t size);
void python_world_set(struct python_world *world, remote_address address, uint64_t word);

/* A type with these flags; `base` 0 means object. A heap type has cached keys with `attributes`, ended by NULL. */
remote_address python_world_type(struct python_world *world, const char *name, uint64_t basic_size, uint64_t item_size,
                                 uint64_t flags, remote_address base);
void python_world_attributes(struct python_world *world, remote_address type, const char *const *attributes);

/* An object of this type with one reference. */
remote_address python_world_object(struct python_world *world, remote_address type, uint64_t size);
remote_address python_world_text(struct python_world *world, const char *text);

/* A keys object (Objects/dictobject.c) of `kind` with `count` entries {key, value}; values are 0 in a split one. */
remote_address python_world_keys(struct python_world *world, int kind, size_t count, const remote_address (*entries)[2]);

/* Makes the image and the model; no changes afterwards. */
void python_world_freeze(struct python_world *world);

/* Walks `object` and keeps what it refers to in world->references; returns their number. */
size_t python_world_walk(struct python_world *world, remote_address object);

/* Whether the last walk found this reference. `name` NULL: any. */
bool python_world_found(const struct python_world *world, remote_address target, enum reference_kind kind, const char *name);

#endif
