/* Results that are written whole or not at all. */
#ifndef CAULK_APP_OUTPUT_H
#define CAULK_APP_OUTPUT_H

#include "base/error.h"

#include <stdbool.h>
#include <stdio.h>

struct output {
    FILE *file;
    const char *path;  /* NULL: standard output */
    char *temporary;   /* where a regular file is written before it gets its name; NULL if it is none */
};

/* "-" is standard output. A file is written to a temporary name beside it, mode 0600. */
struct error *output_open(const char *path, struct output *out);

/* Ends it; on failure nothing of it is left. */
struct error *output_close(struct output *output);

/* Whether all that went to standard output arrived. */
struct error *output_finish_standard(void);

/* Colours only on a terminal, and never with NO_COLOR. */
bool output_colour(void);

#endif
