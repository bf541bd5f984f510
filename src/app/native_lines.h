/* Source lines of native frames: asked only for those that a report shows, and once for each. */
#ifndef CAULK_APP_NATIVE_LINES_H
#define CAULK_APP_NATIVE_LINES_H

#include "base/arena.h"
#include "base/vector.h"
#include "diagnosis/finding.h"

/* What was found out so far; all zeros is nothing. */
struct native_lines {
    struct arena arena;
    struct vector modules;
};

void native_lines_deinit(struct native_lines *lines);

/* Three steps, so that each file is read once: tell all places that are wanted, look, have each list with what was found:
 * files, lines, and the functions that were inlined into a place before it. Lists live in `arena`, texts too. */
void native_lines_want(struct native_lines *lines, const struct native_place *places, size_t count);
void native_lines_look(struct native_lines *lines);
size_t native_lines_give(struct native_lines *lines, struct native_place *places, size_t count, struct arena *arena,
                         struct native_place **out);

/* All three, for the lines of a verdict that lives in `arena`. What has its lines keeps them. */
void native_lines_of_verdict(struct native_lines *lines, struct verdict *verdict, struct arena *arena);

#endif
