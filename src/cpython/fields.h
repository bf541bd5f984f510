/* What the words of C structures are called that no header and no member tells: types of the interpreter and
 * of the standard library, from their sources under Objects/ and Modules/. */
#ifndef CAULK_CPYTHON_FIELDS_H
#define CAULK_CPYTHON_FIELDS_H

#include <stdbool.h>
#include <stdint.h>

struct type_fields {
    const char *name;    /* tp_name */
    uint32_t basic_size; /* the tp_basicsize of the structure that is meant; 0 any */
    const char *fields;
};

/* The fields of a type, NULL if none are known for this size. */
const struct type_fields *fields_find(const char *name, uint32_t basic_size);

/* One field after another. */
struct field_reader {
    const char *rest;
    uint32_t next; /* offset of the next word */
    /* the field that was read */
    uint32_t offset;
    const char *name;
    uint32_t length;
    bool borrowed; /* a pointer that is not counted */
    bool exact;    /* the words that are not told are no references; set at the end */
};
struct field_reader fields_begin(const struct type_fields *type);
bool fields_next(struct field_reader *reader);

#endif
