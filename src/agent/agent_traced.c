/* Objects that are born again, where Python tells of every object's birth and end (PyRefTracer_SetTracer, from 3.13 on): a
 * block of the range is booked on its last birth. */
#include "agent/agent_lists.h"

#include <dlfcn.h>

typedef int (*tracer)(void *object, int event, void *data);

/* Include/cpython/object.h: PyRefTracerEvent. From 3.15 on there is a third, without an object. */
enum { OBJECT_BEGINS, OBJECT_ENDS };

static struct {
    bool is_on;
    bool tables_closed; /* the free list of tables takes and gives nothing */
} traced;

/* Include/internal/pycore_dict.h: PyDictKeysObject begins with the count of dicts that share it. Who gets the table from
 * its free list is not told: with its first dict it is over. */
static __attribute__((noinline)) int traced_dict_ends(void *object) {
    char *table = agent_table_of(object);
    int64_t sharers = 0;
    if (agent_in_range(table))
        memcpy(&sharers, table, sizeof sharers);
    if (sharers == 1)
        agent_object_ends(table);
    return 0;
}

static __attribute__((noinline)) int range_event(void *object, int event) {
    if (event == OBJECT_BEGINS)
        agent_object_begins(object);
    else if (event == OBJECT_ENDS)
        agent_object_ends(object);
    return 0;
}

/* `dicts` is their type, NULL if nobody wants to know of their tables. */
static int object_event(void *object, int event, void *dicts) {
    if (AGENT_UNLIKELY(agent_in_range(object)))
        return range_event(object, event);
    return AGENT_UNLIKELY(event == OBJECT_ENDS && *agent_type_of(object) == dicts) ? traced_dict_ends(object) : 0;
}

/* Makes and ends dicts with one item, after some without a table, until it is known where these go. */
static void find_tables(struct agent_list *list) {
    void *(*make)(void) = (void *(*)(void))dlsym(RTLD_DEFAULT, "PyDict_New");
    int (*put)(void *, const char *, void *) =
        (int (*)(void *, const char *, void *))dlsym(RTLD_DEFAULT, "PyDict_SetItemString");
    void (*end)(void *) = (void (*)(void *))dlsym(RTLD_DEFAULT, "Py_DecRef");
    void *none = dlsym(RTLD_DEFAULT, "_Py_NoneStruct");
    struct agent_list *dicts = &agent_lists[LIST_DICT];
    if (!make || !put || !end || !none || !agent_lists_begin() || !agent_lists_are_ours())
        return;
    /* Include/internal/pycore_freelist.h: arrays, until there was this function. */
    list->linked = dicts->linked = dlsym(RTLD_DEFAULT, "PyUnstable_IsImmortal") != NULL;
    for (int i = 0; i < 50 && !list->items; i++) {
        bool bare = !dicts->items;
        void *dict = make();
        if (!dict || (!bare && put(dict, "a", none)))
            return;
        agent_list_learn(bare ? dicts : list, bare ? dict : agent_table_of(dict), end, dict);
    }
}

static void set_count(struct agent_list *list, int64_t count) {
    memcpy(list->count, &count, list->linked ? sizeof count : sizeof *list->count);
}

/* Python tells of no table's birth. With their free list closed, as Python closes it when it ends
 * (Objects/dictobject.c: free_keys_object; Objects/object.c: clear_freelist), each one asks the allocator: too dear for
 * sampling. */
static void close_tables(void) {
    struct agent_list *list = &agent_lists[LIST_KEYS];
    void (*release)(void *) = (void (*)(void *))dlsym(RTLD_DEFAULT, "PyMem_Free");
    uint32_t inside = agent_thread.inside;
    agent_thread.inside = 1;
    if (!list->items)
        find_tables(list);
    agent_thread.inside = inside;
    if (!release || !list->items || *list->count < 0 || !agent_lists_are_ours())
        return;
    for (void *top; (top = agent_list_top(list)); release(top))
        agent_list_pop(list);
    set_count(list, -1);
    traced.tables_closed = true;
}

static void open_tables(void) {
    if (traced.tables_closed && agent_lists_are_ours())
        set_count(&agent_lists[LIST_KEYS], 0);
    traced.tables_closed = false;
}

/* One tracer per process: another's is left alone. */
bool agent_traced_begin(void) {
    void (*set)(tracer, void *) = (void (*)(tracer, void *))dlsym(RTLD_DEFAULT, "PyRefTracer_SetTracer");
    tracer (*get)(void **) = (tracer(*)(void **))dlsym(RTLD_DEFAULT, "PyRefTracer_GetTracer");
    void *data;
    if (traced.is_on || !set || !get || get(&data))
        return traced.is_on;
    set(object_event, agent.every_byte ? NULL : dlsym(RTLD_DEFAULT, "PyDict_Type"));
    if (agent.every_byte)
        close_tables();
    return traced.is_on = true;
}

void agent_traced_end(void) {
    void (*set)(tracer, void *) = (void (*)(tracer, void *))dlsym(RTLD_DEFAULT, "PyRefTracer_SetTracer");
    tracer (*get)(void **) = (tracer(*)(void **))dlsym(RTLD_DEFAULT, "PyRefTracer_GetTracer");
    void *data;
    if (!traced.is_on)
        return;
    if (get(&data) == object_event)
        set(NULL, NULL);
    open_tables();
    traced.is_on = false;
}
