/* CPython's free lists of floats, tuples, lists, dicts (to 3.13) and small tables of dicts: where they lie,
 * and how their tops are put aside and back. All with the GIL of the interpreter whose lists they are. */
#ifndef CAULK_AGENT_AGENT_LISTS_H
#define CAULK_AGENT_AGENT_LISTS_H

#include "agent/agent_work.h"

#include <string.h>

enum {
    LIST_FLOAT,
    LIST_LIST,
    LIST_DICT,
    LIST_KEYS,
    LIST_TUPLE, /* of one item, then of two, ... */
    LIST_TUPLES = 19,
    LISTS = LIST_TUPLE + LIST_TUPLES,
};

/* Bytes of a table of eight slots: to 3.10, and from then on, when its keys are str. */
enum { AGENT_TABLE_OLD = 168, AGENT_TABLE_NEW = 120 };

enum { LIST_MARKS = 8, LIST_KEPT = 400, LIST_CANDIDATES = 32 };

/* A push onto a free list that was drawn as a sample: whatever is born in the block above those that are
 * kept. */
struct agent_mark {
    uint64_t interval;
    void *head; /* of kept objects that are linked */
    int32_t count;
};

struct agent_list {
    uint32_t size;   /* bytes of a block */
    uint32_t object; /* bytes before the object; a table of a dict is none */
    uint32_t next;   /* where an object on the list has the next one */
    bool linked;     /* else the list is an array */
    int32_t most;
    void **items; /* the first object, or the array; NULL as long as it is not known */
    int32_t *count;
    uint32_t marks;
    struct agent_mark mark[LIST_MARKS];
    void **kept; /* of an array: the marks' objects, the oldest mark's first */
    uint32_t kept_count;
};

extern struct agent_list agent_lists[LISTS];

/* Include/cpython/object.h: PyObject. */
static inline char **agent_type_of(void *object) {
    return (char **)((char *)object + 8);
}

/* Include/cpython/object.h: PyTypeObject. */
typedef void (*agent_deallocator)(void *object);
static inline agent_deallocator *agent_deallocator_of(void *type) {
    return (agent_deallocator *)((char *)type + 48);
}

/* Include/cpython/dictobject.h: PyDictObject. */
static inline char *agent_table_of(void *dict) {
    char *table;
    memcpy(&table, (char *)dict + 32, sizeof table);
    return table;
}

/* False if Python keeps no lists that are known here. */
bool agent_lists_begin(void);

/* Bytes of a dict's table if it goes onto the free list of tables when its dict ends, else 0. */
uint32_t agent_table_size(const char *table);

/* Runs `end(object)`, which puts `pushed` (the object, or its table) on the list: a few of these tell where
 * the list lies. True as soon as that is known. */
bool agent_list_learn(struct agent_list *list, void *pushed, void (*end)(void *object), void *object);

/* Where what is drawn of them comes from: to 3.12 all from PyObject_Malloc, from 3.13 on tables from PyMem_Malloc. From 3.14
 * on nothing else is drawn. */
bool agent_lists_have_objects(void);
bool agent_lists_have_memory(void);

/* Whether the calling thread's interpreter is the one whose lists these are. */
bool agent_lists_are_ours(void);

static inline void *agent_list_top(const struct agent_list *list) {
    if (!list->items || *list->count <= 0 || *list->count > list->most)
        return NULL;
    return list->linked ? *list->items : list->items[*list->count - 1];
}

/* Takes the top off the list. */
void agent_list_pop(struct agent_list *list);

/* If `object` is the top, takes it off and gives its block back to the allocator. False if it is not. */
bool agent_list_take_back(struct agent_list *list, void *object);

/* Puts all of the list aside: the allocator is asked when the top would be given out. A block of the range that is given
 * out in its place does not come onto the list when it ends, so that the list stays as long as it was. */
bool agent_list_mark(struct agent_list *list, uint64_t interval);

/* Puts what the youngest mark keeps back below what is on the list now. */
void agent_list_unmark(struct agent_list *list);

#endif
