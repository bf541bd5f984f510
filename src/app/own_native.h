/* The chains of native functions that lines of the user's code led to. */
#ifndef CAULK_APP_OWN_NATIVE_H
#define CAULK_APP_OWN_NATIVE_H

#include "app/native_lines.h"
#include "base/map.h"
#include "base/vector.h"
#include "report/run.h"
#include "samples/samples.h"

/* All zeros but for the first three is an empty one. */
struct native_folding {
    const struct samples *samples;
    struct native_lines *lines; /* finds those of the functions */
    struct arena *arena;
    struct vector entries;
    struct map index; /* hash of a line and its chain's addresses -> entry */
};

/* Adds a stack to what is below the line with this number. */
void native_folding_add(struct native_folding *folding, uint32_t line, const struct samples_stack *stack);

/* Gives each line its chains of most bytes, and ends the folding. Chains of the same functions are one, unless the lines
 * of the innermost module's code are known and tell them apart. */
void native_folding_end(struct native_folding *folding, struct run_line *lines);

#endif
