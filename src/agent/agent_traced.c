/* Objects that are born again, where Python tells of every object's birth and end (PyRefTracer_SetTracer): a block of the
 * range is booked on its last birth. From 3.13 on where every byte is counted, from 3.14 on with samples too. Of tables of
 * dicts Python does not tell: see agent_tables.c. */
#include "agent/agent_lists.h"

#include <dlfcn.h>

typedef int (*tracer)(void *object, int event, void *data);

/* Include/cpython/object.h: PyRefTracerEvent. From 3.15 on there is a third, without an object. */
enum { OBJECT_BEGINS, OBJECT_ENDS };

static struct {
    void (*set)(tracer, void *);
    tracer (*get)(void **);
    char *dicts; /* their type */
    bool is_on;
} traced;

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

/* Where nobody knows who gets a table from its free list: with its first dict it is over. */
static int object_or_table_event(void *object, int event, void *data) {
    if (object && event == OBJECT_ENDS && *agent_type_of(object) == traced.dicts && agent_in_range(agent_table_of(object)))
        agent_table_ends(agent_table_of(object));
    return object_event(object, event, data);
}

static int trace_tables(void *context) {
    void *data;
    (void)context;
    if (traced.is_on && traced.get(&data) == object_or_table_event && agent_tables_begin())
        traced.set(object_event, NULL);
    return 0;
}

/* By preload the agent looks at Python from malloc, where Python's own allocator may be at work and no object can be made:
 * the list of tables waits until Python is between two instructions. */
static void begin_tables(void) {
    int (*add)(int (*)(void *), void *) = (int (*)(int (*)(void *), void *))dlsym(RTLD_DEFAULT, "Py_AddPendingCall");
    if (agent.every_byte || !agent_hooks_malloc_are_first())
        trace_tables(NULL);
    else if (add)
        add(trace_tables, NULL);
}

static bool find_functions(void) {
    traced.set = (void (*)(tracer, void *))dlsym(RTLD_DEFAULT, "PyRefTracer_SetTracer");
    traced.get = (tracer(*)(void **))dlsym(RTLD_DEFAULT, "PyRefTracer_GetTracer");
    traced.dicts = dlsym(RTLD_DEFAULT, "PyDict_Type");
    return traced.set && traced.get;
}

/* One tracer per process: another's is left alone. */
bool agent_traced_begin(void) {
    void *data;
    if (traced.is_on || !find_functions() || traced.get(&data))
        return traced.is_on;
    traced.set(object_or_table_event, NULL);
    traced.is_on = true;
    begin_tables();
    return true;
}

bool agent_traced_is_on(void) {
    return traced.is_on;
}

void agent_traced_end(void) {
    void *data;
    if (!traced.is_on)
        return;
    tracer now = traced.get(&data);
    if (now == object_event || now == object_or_table_event)
        traced.set(NULL, NULL);
    agent_tables_end();
    traced.is_on = false;
}
