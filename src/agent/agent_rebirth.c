/* Objects that are born again without an allocator: CPython keeps blocks of ended floats, tuples, lists and
 * dicts in free lists and hands them to the next object of the type.
 *
 * Where Python tells of every object's birth and end (PyRefTracer_SetTracer), a block of the range is booked
 * on its last birth: agent_traced.c. Elsewhere the deallocators of these types are wrapped, so that a block of the range
 * comes back instead of going onto a free list; and every block, where every one is counted. What goes onto a
 * free list may be drawn: see agent_births.c. */
#include "agent/agent_births.h"
#include "agent/agent_shallow.h"
#include "agent/agent_stack.h"

#include <dlfcn.h>
#include <string.h>

/* Include/cpython/object.h: PyVarObject, PyTypeObject. The copy of a type has what deallocation looks at. */
enum { OBJECT_SIZE = 16, TYPE_COPIED = 408 };

/* Objects inside objects that may end within each other before Python's own limit is asked. */
enum { NESTING = 40 };

enum { FLOAT, TUPLE, LIST, DICT, TYPES };

struct kept_type {
    char *type;
    agent_deallocator original;
    _Alignas(16) char copy[TYPE_COPIED];
};

static struct {
    struct kept_type types[TYPES];
    void (*free)(void *block);
    bool wrapped, births;
    bool may_be_deep;   /* see deep_ends */
    bool learning;      /* on the way through a deallocator to see where its free list is */
    bool floats_closed; /* the free list of floats takes and gives nothing */
} kept;

static const char *const names[TYPES] = {"PyFloat_Type", "PyTuple_Type", "PyList_Type", "PyDict_Type"};

/* Include/cpython/tupleobject.h: PyTupleObject. */
static inline uint64_t items_of(void *tuple) {
    uint64_t items;
    memcpy(&items, (char *)tuple + OBJECT_SIZE, sizeof items);
    return items;
}

/* A byte more than each block has, as with allocations; of a dict with the table that goes onto a list too. */
static inline uint32_t bytes_of(const struct kept_type *kind, void *object) {
    if (kind == &kept.types[FLOAT])
        return 24 + 1;
    if (kind == &kept.types[TUPLE])
        return (uint32_t)(40 + 8 * items_of(object) + 1);
    if (kind == &kept.types[LIST])
        return 56 + 1;
    return 64 + 1 + (agent_in_range(agent_table_of(object)) ? 0 : agent_lists[LIST_KEYS].size + 1);
}

/* The free list for its block. Long tuples have none. */
static struct agent_list *list_of(const struct kept_type *kind, void *object) {
    if (kind == &kept.types[TUPLE])
        return items_of(object) - 1 < LIST_TUPLES ? &agent_lists[LIST_TUPLE] + items_of(object) - 1 : NULL;
    return &agent_lists[kind == &kept.types[FLOAT] ? LIST_FLOAT : kind == &kept.types[LIST] ? LIST_LIST : LIST_DICT];
}

/* An object of a copied type is no exact float (tuple, list, dict): its deallocator frees it by tp_free. The
 * copy has the original deallocator, so that Python's limit on nesting (Include/cpython/object.h:
 * Py_TRASHCAN_BEGIN) is in force. */
static void end_without_list(struct kept_type *kind, void *object) {
    agent_births_block_ends((char *)object - (kind == &kept.types[FLOAT] ? 0 : 16));
    *agent_type_of(object) = kind->copy;
    kind->original(object);
}

static inline void end_apart(struct kept_type *kind, void *object) {
    if (AGENT_LIKELY(*agent_type_of(object) == kind->type))
        end_without_list(kind, object);
    else
        kind->original(object);
}

/* Its table goes onto a list all the same. */
static void end_dict_without_list(void *dict) {
    uint64_t interval;
    char *table = agent_table_of(dict);
    bool drawn = !agent_in_range(table) && agent_draws_sample(agent_lists[LIST_KEYS].size, &interval);
    end_without_list(&kept.types[DICT], dict);
    if (drawn && kept.births)
        agent_births_draw(&agent_lists[LIST_KEYS], table, interval);
}

/* Both of these may go onto their lists. */
static void end_drawn_dict(void *dict) {
    uint64_t interval, table_interval;
    char *table = agent_table_of(dict);
    struct agent_list *lists = agent_lists;
    bool drawn = agent_draws_sample(lists[LIST_DICT].size, &interval);
    bool table_drawn = !agent_in_range(table) && agent_draws_sample(lists[LIST_KEYS].size, &table_interval);
    kept.types[DICT].original(dict);
    if (drawn && kept.births)
        agent_births_draw(&lists[LIST_DICT], dict, interval);
    if (table_drawn && kept.births)
        agent_births_draw(&lists[LIST_KEYS], table, table_interval);
}

/* What may go onto a list, if it has one. */
static __attribute__((noinline)) void end_drawn(struct kept_type *kind, void *object) {
    uint64_t interval;
    struct agent_list *list = list_of(kind, object);
    if (kind == &kept.types[DICT]) {
        end_drawn_dict(object);
        return;
    }
    bool drawn = list && agent_draws_sample(list->size, &interval);
    kind->original(object);
    if (drawn && kept.births)
        agent_births_draw(list, object, interval);
}

/* What is of the range, ends too deep within others, is of another type, or is drawn. It was counted down, but for the
 * first two. What is drawn and of another type was no sample. */
static __attribute__((noinline)) void odd_ends(struct kept_type *kind, void *object) {
    uint64_t interval;
    uint32_t bytes = bytes_of(kind, object);
    bool is_apart = agent_in_range(object) || agent_thread.nesting >= NESTING;
    bool is_other = *agent_type_of(object) != kind->type;
    if (!is_apart)
        agent_thread.countdown += bytes;
    if (is_other && !is_apart)
        agent_draws_sample(bytes - 1, &interval);
    if (is_other) {
        kind->original(object);
    } else if (is_apart && kind == &kept.types[DICT]) {
        end_dict_without_list(object);
    } else if (is_apart) {
        end_without_list(kind, object);
    } else {
        agent_thread.nesting++;
        end_drawn(kind, object);
        agent_thread.nesting--;
    }
}

/* On 3.13 Python's own limit is thousands of objects away: from here to there nothing is added to the stack. A table of the
 * range may go onto its list. */
static __attribute__((noinline)) void deep_ends(struct kept_type *kind, void *object) {
    char *table = kind == &kept.types[DICT] ? agent_table_of(object) : NULL;
    if (agent_in_range(table))
        agent_table_ends(table);
    end_apart(kind, object);
}

static inline bool is_deep(void) {
    return agent_thread.nesting >= NESTING && kept.may_be_deep;
}

/* Where the stack may be used up by objects inside objects. */
static __attribute__((noinline)) void end_counted(struct kept_type *kind, void *object) {
    struct agent_thread *thread = &agent_thread;
    if (AGENT_UNLIKELY(!thread->shallow))
        agent_shallow_learn();
    if (agent_in_range(object) || thread->nesting >= NESTING || (thread->countdown -= bytes_of(kind, object)) < 0) {
        is_deep() ? deep_ends(kind, object) : odd_ends(kind, object);
        return;
    }
    thread->nesting++;
    kind->original(object);
    thread->nesting--;
}

static inline bool is_common(void *object) {
    return !agent_in_range(object) && agent_is_shallow();
}

/* The common road ends with a jump: it needs no stack, and Python's deallocator returns to who called this. */
static inline void end_object(struct kept_type *kind, void *object) {
    if (AGENT_UNLIKELY(!is_common(object)))
        end_counted(kind, object);
    else if (AGENT_UNLIKELY((agent_thread.countdown -= bytes_of(kind, object)) < 0))
        odd_ends(kind, object);
    else
        kind->original(object);
}

/* Nothing ends inside a float: nesting is not counted, and the common road needs no stack. */
static void float_ends(void *object) {
    struct kept_type *kind = &kept.types[FLOAT];
    if (AGENT_LIKELY(!agent_in_range(object) && (agent_thread.countdown -= bytes_of(kind, object)) >= 0))
        kind->original(object);
    else
        odd_ends(kind, object);
}

static void tuple_ends(void *object) {
    end_object(&kept.types[TUPLE], object);
}

static void list_ends(void *object) {
    end_object(&kept.types[LIST], object);
}

/* The table goes onto a list of its own, from where one of the range must not go to another's dict. */
static void take_back(char *table) {
    if (kept.births && agent_lists_are_ours())
        agent_list_take_back(&agent_lists[LIST_KEYS], table);
}

static __attribute__((noinline)) void dict_with_table_ends(void *object) {
    char *table = agent_table_of(object);
    agent_births_block_ends(table);
    end_object(&kept.types[DICT], object);
    take_back(table);
}

static void dict_ends(void *object) {
    if (AGENT_LIKELY(!agent_in_range(agent_table_of(object))))
        end_object(&kept.types[DICT], object);
    else if (is_deep())
        deep_ends(&kept.types[DICT], object);
    else
        dict_with_table_ends(object);
}

/* ---- every byte: nothing goes onto a list --------------------------------------------------------------- */

/* A collection of all generations empties the lists, and opens this one. */
static __attribute__((noinline)) void close_floats_again(void) {
    struct agent_list *list = &agent_lists[LIST_FLOAT];
    if (!agent_lists_are_ours() || *list->count < 0)
        return;
    while (*list->items) {
        void *top = *list->items;
        agent_list_pop(list);
        kept.free(top);
    }
    *list->count = list->most;
}

static void every_float_ends(void *object) {
    if (AGENT_UNLIKELY(kept.floats_closed && *agent_lists[LIST_FLOAT].count != agent_lists[LIST_FLOAT].most))
        close_floats_again();
    end_apart(&kept.types[FLOAT], object);
}

static void every_tuple_ends(void *object) {
    end_apart(&kept.types[TUPLE], object);
}

static void every_list_ends(void *object) {
    end_apart(&kept.types[LIST], object);
}

static void every_dict_ends(void *object) {
    char *table = agent_table_of(object);
    bool ours = agent_in_range(table);
    end_apart(&kept.types[DICT], object);
    if (ours)
        take_back(table);
}

static const agent_deallocator sampling[TYPES] = {float_ends, tuple_ends, list_ends, dict_ends};
static const agent_deallocator every[TYPES] = {every_float_ends, every_tuple_ends, every_list_ends, every_dict_ends};

static agent_deallocator wrapper(int i) {
    return agent.every_byte ? every[i] : sampling[i];
}

/* ---- the first deaths, which tell where the free lists are ------------------------------------------- */

static void set_deallocator(int i, agent_deallocator function) {
    *agent_deallocator_of(kept.types[i].type) = function;
}

static void end_learned_dict(void *object) {
    if (agent.every_byte || agent_in_range(object))
        end_without_list(&kept.types[DICT], object);
    else
        kept.types[DICT].original(object);
}

static bool may_learn(int i, void *object) {
    return !kept.learning && *agent_type_of(object) == kept.types[i].type && !agent_in_range(object);
}

static bool learn(struct agent_list *list, void *pushed, agent_deallocator end, void *object) {
    kept.learning = true;
    bool known = agent_list_learn(list, pushed, end, object);
    kept.learning = false;
    return known;
}

static void first_floats_end(void *object) {
    if (!may_learn(FLOAT, object))
        float_ends(object);
    else if (learn(&agent_lists[LIST_FLOAT], object, kept.types[FLOAT].original, object))
        set_deallocator(FLOAT, float_ends);
}

static void first_tuples_end(void *object) {
    if (!may_learn(TUPLE, object) || items_of(object) != 2)
        tuple_ends(object);
    else if (learn(&agent_lists[LIST_TUPLE + 1], object, kept.types[TUPLE].original, object))
        set_deallocator(TUPLE, tuple_ends);
}

static void first_lists_end(void *object) {
    if (!may_learn(LIST, object))
        list_ends(object);
    else if (learn(&agent_lists[LIST_LIST], object, kept.types[LIST].original, object))
        set_deallocator(LIST, list_ends);
}

static void first_tables_end(void *object) {
    char *table = agent_table_of(object);
    uint32_t size = agent_table_size(table);
    if (kept.learning || *agent_type_of(object) != kept.types[DICT].type || !size)
        wrapper(DICT)(object);
    else if (learn(&agent_lists[LIST_KEYS], table, end_learned_dict, object)) {
        agent_lists[LIST_KEYS].size = size;
        set_deallocator(DICT, wrapper(DICT));
    }
}

static void first_dicts_end(void *object) {
    if (!may_learn(DICT, object) || agent_table_size(agent_table_of(object)))
        dict_ends(object);
    else if (learn(&agent_lists[LIST_DICT], object, kept.types[DICT].original, object))
        set_deallocator(DICT, first_tables_end);
}

/* Python/ceval_macros.h: the interpreter itself puts floats that arithmetic has used up onto their list,
 * unseen. A full list without a first float takes and gives nothing. */
static void close_floats(void) {
    struct agent_list *list = &agent_lists[LIST_FLOAT];
    void *(*make)(double value) = (void *(*)(double))dlsym(RTLD_DEFAULT, "PyFloat_FromDouble");
    uint32_t inside = agent_thread.inside;
    agent_thread.inside = 1;
    for (int i = 0; i < 50 && make && !list->items; i++) {
        void *object = make(0.5);
        if (object)
            learn(list, object, kept.types[FLOAT].original, object);
    }
    agent_thread.inside = inside;
    if (list->items && agent_list_mark(list, 1)) {
        *list->count = list->most;
        kept.floats_closed = true;
    }
}

static void open_floats(void) {
    if (kept.floats_closed && agent_lists_are_ours()) {
        close_floats_again();
        *agent_lists[LIST_FLOAT].count = 0;
        agent_list_unmark(&agent_lists[LIST_FLOAT]);
        kept.floats_closed = false;
    }
}

static agent_deallocator first_wrapper(int i) {
    static const agent_deallocator first[TYPES] = {first_floats_end, first_tuples_end, first_lists_end,
                                             first_dicts_end};
    if (!kept.births || (agent.every_byte && i != DICT) || (i == DICT && agent_lists[LIST_KEYS].items))
        return wrapper(i);
    return agent.every_byte ? first_tables_end : first[i];
}

static void wrap_types(void) {
    kept.free = (void (*)(void *))dlsym(RTLD_DEFAULT, "PyObject_Free");
    kept.births = agent_births_begin() && kept.free;
    kept.may_be_deep = agent_lists_have_memory();
    agent_shallow_begin();
    for (int i = 0; i < TYPES; i++) {
        struct kept_type *kind = &kept.types[i];
        kind->type = kind->type ? kind->type : dlsym(RTLD_DEFAULT, names[i]);
        if (!kind->type)
            continue;
        memcpy(kind->copy, kind->type, sizeof kind->copy);
        kind->original = *agent_deallocator_of(kind->type);
    }
    /* A program may never end the dict without a table that the first of these lists would be learned from. By preload
     * this may be in the middle of anything, but all of Python's start follows. */
    if (kept.births && !agent_hooks_malloc_are_first())
        agent_tables_find();
    if (agent.every_byte && kept.births && agent_lists_are_ours() && kept.types[FLOAT].type)
        close_floats();
    for (int i = 0; i < TYPES; i++)
        if (kept.types[i].type)
            set_deallocator(i, first_wrapper(i));
    kept.wrapped = true;
}

static bool is_ours(agent_deallocator function) {
    for (int i = 0; i < TYPES; i++)
        if (function == sampling[i] || function == every[i])
            return true;
    return function == first_floats_end || function == first_tuples_end || function == first_lists_end ||
           function == first_dicts_end || function == first_tables_end;
}

static void unwrap_types(void) {
    for (int i = 0; i < TYPES; i++)
        if (kept.types[i].type && is_ours(*agent_deallocator_of(kept.types[i].type)))
            set_deallocator(i, kept.types[i].original);
    if (kept.births) {
        open_floats();
        agent_births_end();
    }
    kept.wrapped = false;
}

void agent_rebirth_end(void) {
    agent_traced_end();
    if (kept.wrapped)
        unwrap_types();
}

/* To tell of every object costs a nanosecond each. On 3.13 samples can do without it; from 3.14 on more types than these
 * have free lists (Include/internal/pycore_freelist_state.h). */
static bool is_wrapped_here(void) {
    bool tells = dlsym(RTLD_DEFAULT, "PyRefTracer_SetTracer") != NULL;
    return !tells || (!agent.every_byte && !dlsym(RTLD_DEFAULT, "PyUnstable_IsImmortal"));
}

void agent_rebirth_set(void) {
    bool wrap = is_wrapped_here() && !agent_traced_is_on();
    bool traced = !wrap && !kept.wrapped && agent_traced_begin();
    if (wrap && !kept.wrapped)
        wrap_types();
    if (traced || kept.wrapped)
        agent_recording->flags |= WIRE_REBIRTH;
}
