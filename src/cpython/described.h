/* Types that are described by the fields of their C structure: those of the standard library that own memory
 * beside their objects, and those of foreign extensions that a user has described in a file (docs/TYPES.md).
 *
 * A *field* stands at an offset of the instance. It is a reference, an array or list of references, or a
 * *block*: memory that the instance alone owns. A description belongs to one type by its tp_name; types that
 * derive from it inherit it. */
#ifndef CAULK_CPYTHON_DESCRIBED_H
#define CAULK_CPYTHON_DESCRIBED_H

#include "base/arena.h"
#include "base/error.h"
#include "base/span.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum field_kind {
    FIELD_OBJECT,     /* a reference to an object, or NULL */
    FIELD_OBJECTS,    /* points to an array of `count` references; the array is a block too */
    FIELD_LIST,       /* points to a chain of nodes of `more` bytes, each with a reference and the next node */
    FIELD_BLOCK,      /* points to a block of `count` times `unit` bytes and `more` */
    FIELD_BLOCK_IF,   /* the same, if the 32-bit number at `flag` is not 0 */
    FIELD_TEXT,       /* points to NUL-terminated text */
    FIELD_TUPLE_LONG, /* points to a block of `unit` bytes for each item of the tuple that `count` points to */
    FIELD_BEHIND,     /* as FIELD_BLOCK, but the count stands at `count` of the block itself */
    FIELD_RECORDS,    /* points to records of `unit` bytes; the first word of the last one is 0 */
};

enum { FIELD_NO_COUNT = UINT16_MAX };

struct described_field {
    uint8_t kind;   /* enum field_kind */
    uint16_t offset;
    uint16_t count; /* offset of the number; FIELD_NO_COUNT: it is 1. Of FIELD_LIST: of the next node in a node */
    uint16_t flag;  /* Of FIELD_LIST: offset of the reference in a node */
    uint32_t unit, more;
    const char *name; /* what the references are called; NULL nothing */
};

struct described_type {
    const char *name;    /* tp_name */
    uint32_t basic_size; /* tp_basicsize that it was made for; 0 any */
    bool references;     /* its fields tell all references of an instance: words without a field are none */
    const struct described_field *fields;
    uint32_t field_count;
};

struct described_types {
    const struct described_type *types;
    size_t count;
    struct arena arena; /* all of it lives here */
};

/* Reads a file of descriptions. A file that makes no sense is refused with the line that is wrong. */
struct error *described_read(const char *path, struct described_types **out);
void described_close(struct described_types *types); /* NULL is allowed */

/* The description of a type, the user's before our own; NULL if there is none that fits. `users` may be NULL. */
const struct described_type *described_find(const struct described_types *users, const char *name,
                                            uint32_t basic_size);

#endif
