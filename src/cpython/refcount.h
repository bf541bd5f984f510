/* Counts of references that no single word tells, in free-threaded builds. */
#ifndef CAULK_CPYTHON_REFCOUNT_H
#define CAULK_CPYTHON_REFCOUNT_H

#include "cpython/model.h"

/* Whether references to the object from the stacks of calls are not counted: functions, code, types, modules. */
bool refcount_is_deferred(const struct model *model, remote_address object);

/* References to the object at `object` that threads count apart from it. O(threads). */
int64_t refcount_of_threads(const struct model *model, remote_address object, enum walker walker);

#endif
