/* Source files of Python code, by their names; expressions in them. */
#ifndef CAULK_BASE_SOURCE_H
#define CAULK_BASE_SOURCE_H

#include "base/span.h"

/* Where an expression begins and ends, beside the line that it begins on: columns in bytes of the UTF-8 of their lines
 * from 0, the end column is the first behind it, as code.co_positions() has them. */
struct source_extent {
    uint32_t end_line; /* 0: not known */
    int32_t column, end_column;
};

/* Any order that has those that are not known behind all others. */
int source_extent_compare(struct source_extent a, struct source_extent b);

/* Whether the file is of the standard library, an installed package, or no file at all ("<frozen importlib>"). */
bool source_is_library(struct span file);

#endif
