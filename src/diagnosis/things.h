/* What an object is to somebody who looks for the cause of a leak: finer than its role, coarser than its
 * type.
 *
 * Everything here is a fact of CPython and its standard library (which type does what), never of a program.
 */
#ifndef CAULK_DIAGNOSIS_THINGS_H
#define CAULK_DIAGNOSIS_THINGS_H

#include "graph/graph.h"

enum thing {
    THING_FRAME,     /* frames, generators, coroutines: they keep local variables */
    THING_TRACEBACK, /* tracebacks and exceptions, which refer to one */
    THING_FUNCTION,
    THING_METHOD, /* bound methods and functools.partial: they keep an object */
    THING_CELL,   /* a variable that a closure captured */
    THING_WEAKREF,
    THING_HANDLER,   /* logging handlers and filters */
    THING_FINALIZER, /* weakref.finalize and what it keeps */
    THING_TASK,      /* asyncio and concurrent.futures: tasks, futures, handles of callbacks and timers */
    THING_CONTEXT,   /* contextvars */
    THING_THREAD,
    THING_CLASS,
    THING_VIEW, /* small objects that keep another's memory: memoryview, ndarray, re.Match, dict views */
    THING_QUEUE,
    THING_COUNT,
};

/* A set of things, one bit each: an exception with a logging handler's base is both. */
typedef uint32_t thing_set;
#define THING_BIT(thing) (1u << (thing))

/* What the objects of the type of `node` are. Looks at the bases of its class too. */
thing_set things_of_node(const struct graph *graph, node_id node);

/* Whether `node` is an instance of the class or of one derived from it. */
bool things_is_instance(const struct graph *graph, node_id node, struct span module, struct span name);

#endif
