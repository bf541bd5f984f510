/* What was allocated, by the line of the user's own code that asked for it. */
#ifndef CAULK_APP_OWN_LINES_H
#define CAULK_APP_OWN_LINES_H

#include "app/native_lines.h"
#include "report/run.h"
#include "samples/samples.h"

/* Each stack counts for its innermost line of code that is neither of the standard library nor of a package; where
 * there is none, for its innermost line. Most bytes at the peak first. `natives` finds the lines of native code. */
struct run_line *own_lines(const struct samples *samples, struct native_lines *natives, struct arena *arena,
                           size_t *count_out);

/* Lines of the files that have some, with the text of those that can be read: most bytes in all first. `first` is a file
 * that comes before all others, NULL none; files of the library come only if nothing else is there. */
struct source_view *own_views(const struct samples *samples, const char *first, struct arena *arena, size_t *count_out);

#endif
