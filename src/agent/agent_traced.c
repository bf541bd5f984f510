/* Objects that are born again, where Python tells of every object's birth and end (PyRefTracer_SetTracer, from 3.13 on): a
 * block of the range is booked on its last birth. Of tables of dicts it does not tell: see agent_tables.c. */
#include "agent/agent_lists.h"

#include <dlfcn.h>

typedef int (*tracer)(void *object, int event, void *data);

/* Include/cpython/object.h: PyRefTracerEvent. From 3.15 on there is a third, without an object. */
enum { OBJECT_BEGINS, OBJECT_ENDS };

static bool is_on;

static __attribute__((noinline)) int range_event(void *object, int event) {
    if (event == OBJECT_BEGINS)
        agent_object_begins(object);
    else if (event == OBJECT_ENDS)
        agent_object_ends(object);
    return 0;
}

static int object_event(void *object, int event, void *data) {
    (void)data;
    return AGENT_UNLIKELY(agent_in_range(object)) ? range_event(object, event) : 0;
}

/* Where nobody knows who gets a table from its free list: with its first dict it is over. `dicts` is their type. */
static int object_or_table_event(void *object, int event, void *dicts) {
    if (object && event == OBJECT_ENDS && *agent_type_of(object) == dicts && agent_in_range(agent_table_of(object)))
        agent_table_ends(agent_table_of(object));
    return object_event(object, event, NULL);
}

/* One tracer per process: another's is left alone. */
bool agent_traced_begin(void) {
    void (*set)(tracer, void *) = (void (*)(tracer, void *))dlsym(RTLD_DEFAULT, "PyRefTracer_SetTracer");
    tracer (*get)(void **) = (tracer(*)(void **))dlsym(RTLD_DEFAULT, "PyRefTracer_GetTracer");
    void *data;
    if (is_on || !set || !get || get(&data))
        return is_on;
    if (agent_tables_begin())
        set(object_event, NULL);
    else
        set(object_or_table_event, dlsym(RTLD_DEFAULT, "PyDict_Type"));
    return is_on = true;
}

void agent_traced_end(void) {
    void (*set)(tracer, void *) = (void (*)(tracer, void *))dlsym(RTLD_DEFAULT, "PyRefTracer_SetTracer");
    tracer (*get)(void **) = (tracer(*)(void **))dlsym(RTLD_DEFAULT, "PyRefTracer_GetTracer");
    void *data;
    if (!is_on)
        return;
    tracer now = get(&data);
    if (now == object_event || now == object_or_table_event)
        set(NULL, NULL);
    agent_tables_end();
    is_on = false;
}
