/* Tables of dicts where Python tells of every object (agent_traced.c), but not of these.
 *
 * While it samples, the end of every dict is watched: what its table puts onto the free list of tables may be drawn (see
 * agent_births.c), and a table of the range comes back from there. Where every byte is counted the list is closed. */
#include "agent/agent_births.h"

#include <dlfcn.h>

/* A byte more than a table has, as with allocations. */
enum { TABLE_BYTES = AGENT_TABLE_NEW + 1 };

static struct {
    char *type;
    agent_deallocator original;
    bool watched; /* each dict's end is seen */
    bool closed;  /* the free list takes and gives nothing */
} tables;

static struct agent_list *const list = &agent_lists[LIST_KEYS];

/* ---- a dict ends ---------------------------------------------------------------------------------------- */

/* Include/internal/pycore_dict.h: PyDictKeysObject begins with the count of dicts that share it. The block may stay where
 * nobody can take it back from: on another interpreter's list, or with a dict that Python ends later. */
void agent_table_ends(char *table) {
    int64_t sharers;
    memcpy(&sharers, table, sizeof sharers);
    agent_births_block_ends(table);
    if (sharers == 1)
        agent_object_ends(table);
}

/* What is drawn and did not go onto the list was no sample. */
static void end_drawn(void *dict) {
    uint64_t interval;
    char *table = agent_table_of(dict);
    agent_thread.countdown += TABLE_BYTES;
    bool drawn = agent_draws_sample(TABLE_BYTES - 1, &interval);
    tables.original(dict);
    if (drawn)
        agent_births_draw(list, table, interval);
}

static __attribute__((noinline)) void odd_dict_ends(void *dict) {
    char *table = agent_table_of(dict);
    if (!agent_in_range(table)) {
        end_drawn(dict);
        return;
    }
    agent_table_ends(table);
    tables.original(dict);
    if (agent_lists_are_ours())
        agent_list_take_back(list, table);
}

/* From 3.14 on Python itself sees how much stack is left (Objects/object.c: _Py_Dealloc). */
static void dict_ends(void *dict) {
    if (AGENT_LIKELY(!agent_in_range(agent_table_of(dict)) && (agent_thread.countdown -= TABLE_BYTES) >= 0))
        tables.original(dict);
    else
        odd_dict_ends(dict);
}

/* ---- where their free list is --------------------------------------------------------------------------- */

static struct {
    void *(*make)(void);
    int (*put)(void *dict, const char *key, void *value);
    void (*end)(void *object);
    void *none;
    int (*stop_collector)(void), (*let_collect)(void); /* from 3.10 on */
} python;

static bool find_functions(void) {
    python.make = (void *(*)(void))dlsym(RTLD_DEFAULT, "PyDict_New");
    python.put = (int (*)(void *, const char *, void *))dlsym(RTLD_DEFAULT, "PyDict_SetItemString");
    python.end = (void (*)(void *))dlsym(RTLD_DEFAULT, "Py_DecRef");
    python.none = dlsym(RTLD_DEFAULT, "_Py_NoneStruct");
    python.stop_collector = (int (*)(void))dlsym(RTLD_DEFAULT, "PyGC_Disable");
    python.let_collect = (int (*)(void))dlsym(RTLD_DEFAULT, "PyGC_Enable");
    return python.make && python.put && python.end && python.none && python.stop_collector && python.let_collect;
}

static void *make_dict(bool has_table) {
    void *dict = python.make();
    return dict && (!has_table || !python.put(dict, "a", python.none)) ? dict : NULL;
}

static void learn_from(void *dict, bool has_table) {
    char *table = agent_table_of(dict);
    uint32_t size = agent_table_size(table);
    if (has_table && list->items)
        python.end(dict);
    else
        agent_list_learn(has_table ? list : &agent_lists[LIST_DICT], has_table ? table : dict, python.end, dict);
    if (has_table)
        list->size = size;
}

/* Makes and ends dicts with one item, after some without a table, until it is known where these go. By twos, which change
 * places on the list: one would always lie in the same. */
static void find_list(void) {
    struct agent_list *dicts = &agent_lists[LIST_DICT];
    /* Include/internal/pycore_freelist.h: arrays, until 3.14. */
    list->linked = dicts->linked = !agent_lists_have_objects();
    for (int i = 0; i < 25 && !list->items; i++) {
        bool has_table = dicts->items;
        void *first = make_dict(has_table), *second = make_dict(has_table);
        if (!first || !second)
            return;
        learn_from(first, has_table);
        learn_from(second, has_table);
    }
}

bool agent_tables_find(void) {
    if (!agent_births_begin() || list->items || !agent_lists_are_ours() || !find_functions())
        return list->items;
    uint32_t inside = agent_thread.inside;
    agent_thread.inside = 1;
    bool may_collect = python.stop_collector();
    find_list();
    if (may_collect)
        python.let_collect();
    agent_thread.inside = inside;
    return list->items;
}

/* ---- every byte: the list is closed --------------------------------------------------------------------- */

static void set_count(int64_t count) {
    memcpy(list->count, &count, list->linked ? sizeof count : sizeof *list->count);
}

/* As Python closes it when it ends (Objects/dictobject.c: free_keys_object; Objects/object.c: clear_freelist): each table
 * asks the allocator. Too dear for sampling. */
static void close_list(void) {
    if (*list->count < 0 || !agent_lists_are_ours())
        return;
    for (void *top; (top = agent_list_top(list));)
        agent_list_take_back(list, top);
    set_count(-1);
    tables.closed = true;
}

static void open_list(void) {
    if (tables.closed && agent_lists_are_ours())
        set_count(0);
    tables.closed = false;
}

/* ---- begin and end -------------------------------------------------------------------------------------- */

/* What another has put above it would call it again. */
static void watch_dicts(void) {
    agent_deallocator *now = agent_deallocator_of(tables.type);
    if (tables.original && *now != tables.original && *now != dict_ends)
        return;
    if (*now != dict_ends) {
        tables.original = *now;
        *now = dict_ends;
    }
    tables.watched = true;
}

bool agent_tables_begin(void) {
    tables.type = dlsym(RTLD_DEFAULT, "PyDict_Type");
    if (!tables.type || !agent_tables_find())
        return false;
    if (agent.every_byte)
        close_list();
    else
        watch_dicts();
    return tables.watched || tables.closed;
}

void agent_tables_end(void) {
    if (tables.watched && *agent_deallocator_of(tables.type) == dict_ends)
        *agent_deallocator_of(tables.type) = tables.original;
    if (tables.watched)
        agent_births_end();
    tables.watched = false;
    open_list();
}
