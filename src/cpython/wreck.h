/* A heap whose interpreter is lost, in a truncated core or by a wild write: objects of the collector are found by
 * themselves, and the modules among them are the roots. */
#ifndef CAULK_CPYTHON_WRECK_H
#define CAULK_CPYTHON_WRECK_H

#include "cpython/roots.h"

/* After python_process_find failed on `process`: what version it is of, as far as that can be told without an
 * interpreter. False if not even that. */
bool wreck_recognise(const struct memory *memory, struct python_process *process);

/* Whether objects are what this version makes of them: a hundred of the collector's are linked, or one is a module. */
bool wreck_fits(struct model *model);

/* As roots_collected_objects and the first part of roots_visit. */
uint64_t wreck_collected_objects(struct model *model, roots_collected each, void *context);
void wreck_visit_modules(struct model *model, struct root_visitor *visitor);

#endif
