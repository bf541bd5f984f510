/* What the fields of interpreters and threads that hold objects are called. */
#ifndef CAULK_CPYTHON_ROOT_NAMES_H
#define CAULK_CPYTHON_ROOT_NAMES_H

#include "cpython/layout.h"
#include "cpython/reference.h"

enum root_structure { ROOT_NONE, ROOT_INTERPRETER, ROOT_THREAD };

enum { ROOT_FIELDS_MAX = 32 };

/* One per row of layouts. */
struct root_row {
    uint32_t version, build;
    uint32_t signal_handlers, signal_size, signal_function,
        signal_count; /* in the runtime; count 0: not there */
    struct {
        enum root_structure structure;
        uint32_t offset;
        const char *name;
    } fields[ROOT_FIELDS_MAX];
};

/* The names for a layout; if its headers are not known, a row without any. */
const struct root_row *root_names_find(const struct layout *layout);

struct reference_label root_names_label(const struct root_row *row, enum root_structure structure,
                                        uint64_t offset);

#endif
