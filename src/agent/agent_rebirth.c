/* Objects that are born again without an allocator: CPython keeps blocks of ended floats, tuples, lists and dicts
 * in free lists and hands them to the next object of the type.
 *
 * Where Python tells of every object's birth and end (PyRefTracer_SetTracer), a block of the range is booked on
 * its last birth. Before that, the deallocators of these types are wrapped, so that a block of the range comes
 * back instead of going onto a free list; and every block, where every one is counted. */
#include "agent/agent_stack.h"
#include "agent/agent_work.h"

#include <dlfcn.h>
#include <string.h>

/* Include/cpython/object.h: PyObject, PyTypeObject. The copy of a type has what deallocation looks at. */
enum { OBJECT_TYPE = 8, TYPE_DEALLOC = 48, TYPE_COPIED = 408, TYPES = 4 };

/* Objects inside objects that may end within each other before Python's own limit is asked. */
enum { NESTING = 40 };

typedef void (*deallocator)(void *object);
typedef int (*tracer)(void *object, int event, void *data);

struct kept_type {
    char *type;
    deallocator original;
    _Alignas(16) char copy[TYPE_COPIED];
};

static struct {
    struct kept_type types[TYPES];
    bool wrapped, traced;
} kept;

static __thread uint32_t nesting __attribute__((tls_model("initial-exec")));

static const char *const names[TYPES] = {"PyFloat_Type", "PyTuple_Type", "PyList_Type", "PyDict_Type"};

/* An object of a copied type is no exact float (tuple, list, dict): its deallocator frees it by tp_free. The copy
 * has the original deallocator, so that Python's limit on nesting (Include/cpython/object.h: Py_TRASHCAN_BEGIN)
 * is in force. */
static inline void end_object(struct kept_type *kind, void *object) {
    char **type = (char **)((char *)object + OBJECT_TYPE);
    if (*type != kind->type) {
        kind->original(object);
        return;
    }
    if (agent.every_byte || agent_in_range(object) || nesting >= NESTING) {
        *type = kind->copy;
        kind->original(object);
        return;
    }
    nesting++;
    kind->original(object);
    nesting--;
}

static void float_ends(void *object) {
    end_object(&kept.types[0], object);
}

static void tuple_ends(void *object) {
    end_object(&kept.types[1], object);
}

static void list_ends(void *object) {
    end_object(&kept.types[2], object);
}

static void dict_ends(void *object) {
    end_object(&kept.types[3], object);
}

static const deallocator wrappers[TYPES] = {float_ends, tuple_ends, list_ends, dict_ends};

static void wrap_types(void) {
    for (int i = 0; i < TYPES; i++) {
        struct kept_type *kind = &kept.types[i];
        kind->type = kind->type ? kind->type : dlsym(RTLD_DEFAULT, names[i]);
        if (!kind->type)
            continue;
        memcpy(kind->copy, kind->type, sizeof kind->copy);
        memcpy(&kind->original, kind->type + TYPE_DEALLOC, sizeof kind->original);
        memcpy(kind->type + TYPE_DEALLOC, &wrappers[i], sizeof wrappers[i]);
    }
    kept.wrapped = true;
}

static void unwrap_types(void) {
    for (int i = 0; i < TYPES; i++) {
        char *dealloc = kept.types[i].type ? kept.types[i].type + TYPE_DEALLOC : NULL;
        if (dealloc && memcmp(dealloc, &wrappers[i], sizeof wrappers[i]) == 0)
            memcpy(dealloc, &kept.types[i].original, sizeof kept.types[i].original);
    }
    kept.wrapped = false;
}

static int object_event(void *object, int event, void *data) {
    (void)data;
    if (AGENT_LIKELY(!agent_in_range(object)))
        return 0;
    if (event == 0)
        agent_object_begins(object);
    else if (event == 1)
        agent_object_ends(object);
    return 0;
}

/* One tracer per process: another's is left alone. */
static void trace_objects(void) {
    void (*set)(tracer, void *) = (void (*)(tracer, void *))dlsym(RTLD_DEFAULT, "PyRefTracer_SetTracer");
    tracer (*get)(void **) = (tracer(*)(void **))dlsym(RTLD_DEFAULT, "PyRefTracer_GetTracer");
    void *data;
    if (!set || !get || get(&data))
        return;
    set(object_event, NULL);
    kept.traced = true;
}

static void untrace_objects(void) {
    void (*set)(tracer, void *) = (void (*)(tracer, void *))dlsym(RTLD_DEFAULT, "PyRefTracer_SetTracer");
    tracer (*get)(void **) = (tracer(*)(void **))dlsym(RTLD_DEFAULT, "PyRefTracer_GetTracer");
    void *data;
    if (get(&data) == object_event)
        set(NULL, NULL);
    kept.traced = false;
}

void agent_rebirth_end(void) {
    if (kept.traced)
        untrace_objects();
    if (kept.wrapped)
        unwrap_types();
}

void agent_rebirth_set(void) {
    if (dlsym(RTLD_DEFAULT, "PyRefTracer_SetTracer")) {
        if (!kept.traced)
            trace_objects();
    } else if (!kept.wrapped) {
        wrap_types();
    }
    if (kept.traced || kept.wrapped)
        agent_recording->flags |= WIRE_REBIRTH;
}
