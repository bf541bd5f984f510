/* Source files of Python code, by their names. */
#ifndef CAULK_BASE_SOURCE_H
#define CAULK_BASE_SOURCE_H

#include "base/span.h"

/* Whether the file is of the standard library, an installed package, or no file at all ("<frozen importlib>"). */
bool source_is_library(struct span file);

#endif
