/* CPython's free lists: found by watching objects go onto them, put aside and back. */
#include "agent/agent_lists.h"

#include <dlfcn.h>
#include <link.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Where lists can lie. Static variables of Objects/ (3.9) and the main interpreter, as part of _PyRuntime
 * (from 3.11), are in what the library with PyFloat_Type can write. In Include/internal/pycore_interp.h
 * of 3.10 the lists end at 11984 bytes of PyInterpreterState. */
enum { INTERPRETER_LISTS = 16384, REGIONS_LIMIT = 64 << 20, PAGE = 4096 };

/* Pushes that must agree; pushes, and looks at everything, after which it is given up. */
enum { AGREEING = 3, ATTEMPTS = 200000, LOOKS = 30 };

/* Objects of the same kind that end within another, and are on the list before it. */
enum { NESTED = 16 };

struct agent_list agent_lists[LISTS];

struct region {
    char *begin;
    size_t size;
};

enum { REGIONS = 8 };

static struct {
    void *(*interpreter)(void);
    void *ours;
    bool has_objects, has_memory;
    void (*free)(void *block), (*free_table)(void *block);
    struct region regions[REGIONS];
    uint32_t regions_count;
} python;

/* What is thought of a list that is being looked for: a count, and where its array or its first object lies.
 */
static struct search {
    struct {
        int32_t *count;
        void **items;
    } candidates[LIST_CANDIDATES];
    uint32_t count, agreed, attempts, looks, next_look;
} searches[LIST_TUPLE + 1];

static void *kept_arrays[LIST_TUPLE][LIST_KEPT];

/* ---- which lists there are --------------------------------------------------------------------------- */

static int note_regions(struct dl_phdr_info *info, size_t size, void *address) {
    (void)size;
    bool found = false;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];
        found |=
            part->p_type == PT_LOAD && (uintptr_t)address - (info->dlpi_addr + part->p_vaddr) < part->p_memsz;
    }
    for (int i = 0; found && i < info->dlpi_phnum && python.regions_count < REGIONS; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];
        uintptr_t begin = (info->dlpi_addr + part->p_vaddr + 7) & ~(uintptr_t)7;
        if (part->p_type == PT_LOAD && part->p_flags & PF_W && part->p_memsz > 64)
            python.regions[python.regions_count++] =
                (struct region){(char *)begin, (part->p_memsz - 8) & ~(size_t)7};
    }
    return found;
}

/* Another mapping may end there. */
static void note_interpreter(void) {
    unsigned char pages[INTERPRETER_LISTS / PAGE + 1];
    uintptr_t begin = (uintptr_t)python.ours & ~(uintptr_t)(PAGE - 1);
    for (uint32_t i = 0; i < python.regions_count; i++)
        if ((char *)python.ours - python.regions[i].begin < (ptrdiff_t)python.regions[i].size &&
            (char *)python.ours >= python.regions[i].begin)
            return;
    if (!mincore((void *)begin, sizeof pages * PAGE, pages) && python.regions_count < REGIONS)
        python.regions[python.regions_count++] = (struct region){python.ours, INTERPRETER_LISTS};
}

/* Include/cpython: PyFloatObject, PyListObject, PyDictObject, PyTupleObject, behind the collector's head. */
static void describe(void) {
    enum { HEAD = 16 };
    agent_lists[LIST_FLOAT] = (struct agent_list){.size = 24, .linked = true, .next = 8, .most = 100};
    agent_lists[LIST_LIST] = (struct agent_list){.size = 40 + HEAD, .object = HEAD, .most = 80};
    agent_lists[LIST_DICT] = (struct agent_list){.size = 48 + HEAD, .object = HEAD, .most = 80};
    agent_lists[LIST_KEYS] = (struct agent_list){.size = AGENT_TABLE_NEW, .most = 80};
    for (uint32_t i = 0; i < LIST_TUPLES; i++)
        agent_lists[LIST_TUPLE + i] =
            (struct agent_list){.size = HEAD + 24 + 8 * (i + 1), .object = HEAD, .linked = true, .next = 24, .most = 2000};
    for (uint32_t i = LIST_LIST; i < LIST_TUPLE; i++)
        agent_lists[i].kept = kept_arrays[i];
}

bool agent_lists_begin(void) {
    if (agent_lists[LIST_FLOAT].size)
        return python.regions_count;
    describe();
    void *floats = dlsym(RTLD_DEFAULT, "PyFloat_Type");
    void *(*first)(void) = (void *(*)(void))dlsym(RTLD_DEFAULT, "PyInterpreterState_Main");
    python.interpreter = (void *(*)(void))dlsym(RTLD_DEFAULT, "PyInterpreterState_Get");
    python.has_memory = dlsym(RTLD_DEFAULT, "PyRefTracer_SetTracer") != NULL;
    python.has_objects = !dlsym(RTLD_DEFAULT, "PyUnstable_IsImmortal");
    python.free = (void (*)(void *))dlsym(RTLD_DEFAULT, "PyObject_Free");
    python.free_table = python.has_memory ? (void (*)(void *))dlsym(RTLD_DEFAULT, "PyMem_Free") : python.free;
    if (!floats || !first || !python.interpreter || !python.free || !python.free_table)
        return false;
    python.ours = first();
    dl_iterate_phdr(note_regions, floats);
    note_interpreter();
    return python.regions_count;
}

/* Objects/dictobject.c: new_keys_object; Include/internal/pycore_dict.h: struct _dictkeysobject. One
 * reference and eight slots; from 3.11 on as logarithms, with a byte for each, and keys that are str. */
uint32_t agent_table_size(const char *table) {
    uint64_t references, slots;
    memcpy(&references, table, sizeof references);
    memcpy(&slots, table + 8, sizeof slots);
    if (references != 1)
        return 0;
    return slots == 8 ? AGENT_TABLE_OLD : (slots & 0xffffff) == 0x010303 ? AGENT_TABLE_NEW : 0;
}

bool agent_lists_have_objects(void) {
    return python.has_objects;
}

bool agent_lists_have_memory(void) {
    return python.has_memory;
}

static void free_of(const struct agent_list *list, void *object) {
    (list == &agent_lists[LIST_KEYS] ? python.free_table : python.free)((char *)object - list->object);
}

bool agent_lists_are_ours(void) {
    return python.ours && python.interpreter() == python.ours;
}

/* ---- where they lie ---------------------------------------------------------------------------------- */

static size_t regions_size(void) {
    size_t size = 0;
    for (uint32_t i = 0; i < python.regions_count; i++)
        size += python.regions[i].size;
    return size;
}

static bool is_known_count(const int32_t *count) {
    for (int i = 0; i < LISTS; i++)
        if (agent_lists[i].items && agent_lists[i].count == count)
            return true;
    return false;
}

static void add_candidate(struct search *search, int32_t *count, void **items) {
    if (search->count == LIST_CANDIDATES)
        return;
    search->candidates[search->count].count = count;
    search->candidates[search->count++].items = items;
}

/* Whether a list could lie there: what is read and written of it is Python's own memory. */
static bool has_room(const struct agent_list *list, void **items) {
    uintptr_t begin = (uintptr_t)items, size = (list->linked ? 1 : (uintptr_t)list->most) * sizeof *items;
    for (uint32_t i = 0; i < python.regions_count; i++) {
        uintptr_t offset = begin - (uintptr_t)python.regions[i].begin;
        if (offset < python.regions[i].size && size <= python.regions[i].size - offset)
            return true;
    }
    return false;
}

/* The first of the bytes from `at` on in a word that has changed or is `pushed`. */
static inline size_t next_of_interest(const char *now, const char *before, size_t at, size_t size,
                                      const void *pushed) {
    while (!(at & 7) && at < size) {
        uint64_t word, was;
        memcpy(&word, now + at, sizeof word);
        memcpy(&was, before + at, sizeof was);
        if (word != was || word == (uintptr_t)pushed)
            break;
        at += 8;
    }
    return at;
}

/* Counts that rose, with places that have become `pushed`. */
static void compare_regions(struct search *search, const struct agent_list *list, const char *before,
                            void *pushed) {
    int32_t *counts[LIST_CANDIDATES];
    void **places[LIST_CANDIDATES];
    uint32_t counted = 0, placed = 0;
    for (uint32_t i = 0; i < python.regions_count; before += python.regions[i++].size)
        for (size_t at = 0; at < python.regions[i].size; at += 4) {
            /* Nearly all words are as they were. */
            at = next_of_interest(python.regions[i].begin, before, at, python.regions[i].size, pushed);
            if (at == python.regions[i].size)
                break;
            int32_t *count = (int32_t *)(python.regions[i].begin + at), was;
            void **place = (void **)(python.regions[i].begin + at);
            memcpy(&was, before + at, sizeof was);
            if (was >= 0 && *count > was && *count <= was + NESTED && *count <= list->most &&
                !is_known_count(count) && counted < LIST_CANDIDATES)
                counts[counted++] = count;
            if (!(at & 7) && *place == pushed && placed < LIST_CANDIDATES)
                places[placed++] = place;
        }
    for (uint32_t i = 0; i < counted; i++)
        for (uint32_t j = 0; j < placed; j++) {
            void **items = list->linked ? places[j] : places[j] - (*counts[i] - 1);
            if (has_room(list, items))
                add_candidate(search, counts[i], items);
        }
}

static void look_everywhere(struct search *search, const struct agent_list *list, void *pushed,
                            void (*end)(void *object), void *object) {
    size_t size = regions_size();
    char *before = size <= REGIONS_LIMIT ? agent_pages(size) : NULL, *to = before;
    for (uint32_t i = 0; before && i < python.regions_count; to += python.regions[i++].size)
        memcpy(to, python.regions[i].begin, python.regions[i].size);
    end(object);
    search->looks++;
    /* A list may be full for a while. */
    search->next_look = search->attempts + (1u << search->looks / 2);
    if (!before)
        return;
    search->agreed = 0;
    compare_regions(search, list, before, pushed);
    syscall(SYS_munmap, before, size);
}

/* Keeps the candidates that are right about one more push. */
static void look_again(struct search *search, const struct agent_list *list, void *pushed,
                       void (*end)(void *object), void *object) {
    int32_t before[LIST_CANDIDATES];
    uint32_t kept = 0;
    for (uint32_t i = 0; i < search->count; i++)
        before[i] = *search->candidates[i].count;
    end(object);
    for (uint32_t i = 0; i < search->count; i++) {
        int32_t count = *search->candidates[i].count;
        if (before[i] < 0 || count <= before[i] || count > list->most)
            continue;
        if (search->candidates[i].items[list->linked ? 0 : count - 1] == pushed)
            search->candidates[kept++] = search->candidates[i];
    }
    search->count = kept;
    search->agreed++;
}

/* Objects/tupleobject.c: the lists of all sizes are one array, and so are their counts. */
static void spread_tuples(const struct agent_list *known) {
    for (int i = LIST_TUPLE; i < LISTS; i++) {
        agent_lists[i].items = known->items + (&agent_lists[i] - known);
        agent_lists[i].count = known->count + (&agent_lists[i] - known);
    }
}

bool agent_list_learn(struct agent_list *list, void *pushed, void (*end)(void *object), void *object) {
    size_t kind = (size_t)(list - agent_lists);
    struct search *search = &searches[kind < LIST_TUPLE ? kind : LIST_TUPLE];
    if (!search->count && search->attempts < search->next_look) {
        search->attempts++;
        end(object);
        return false;
    }
    if (search->attempts++ >= ATTEMPTS || search->looks >= LOOKS || !agent_lists_are_ours()) {
        end(object);
        return search->attempts > ATTEMPTS || search->looks >= LOOKS;
    }
    if (!search->count)
        look_everywhere(search, list, pushed, end, object);
    else
        look_again(search, list, pushed, end, object);
    if (search->count != 1 || search->agreed < AGREEING)
        return false;
    list->items = search->candidates[0].items;
    list->count = search->candidates[0].count;
    if (kind >= LIST_TUPLE)
        spread_tuples(list);
    return true;
}

/* ---- aside and back ---------------------------------------------------------------------------------- */

static void **next_of(const struct agent_list *list, void *object) {
    return (void **)((char *)object + list->next);
}

void agent_list_pop(struct agent_list *list) {
    if (list->linked)
        *list->items = *next_of(list, *list->items);
    --*list->count;
}

bool agent_list_take_back(struct agent_list *list, void *object) {
    if (!object || agent_list_top(list) != object)
        return false;
    agent_list_pop(list);
    free_of(list, object);
    return true;
}

bool agent_list_mark(struct agent_list *list, uint64_t interval) {
    if (list->marks == LIST_MARKS || (!list->linked && list->kept_count + (uint32_t)*list->count > LIST_KEPT))
        return false;
    int32_t count = *list->count;
    struct agent_mark *mark = &list->mark[list->marks++];
    *mark = (struct agent_mark){.interval = interval, .count = count};
    if (list->linked) {
        mark->head = *list->items;
        *list->items = NULL;
    } else {
        memcpy(list->kept + list->kept_count, list->items, (size_t)count * sizeof *list->items);
        list->kept_count += (uint32_t)count;
    }
    *list->count = 0;
    return true;
}

static void put_below(struct agent_list *list, const struct agent_mark *mark) {
    void **end = list->items;
    while (*end)
        end = next_of(list, *end);
    *end = mark->head;
    *list->count += mark->count;
}

/* What finds no room goes back to the allocator. */
static void put_below_array(struct agent_list *list, const struct agent_mark *mark) {
    list->kept_count -= (uint32_t)mark->count;
    void **kept = list->kept + list->kept_count;
    int32_t room = list->most - *list->count, lost = mark->count > room ? mark->count - room : 0;
    for (int32_t i = 0; i < lost; i++)
        free_of(list, kept[i]);
    int32_t back = mark->count - lost;
    memmove(list->items + back, list->items, (size_t)*list->count * sizeof *list->items);
    memcpy(list->items, kept + lost, (size_t)back * sizeof *list->items);
    *list->count += back;
}

void agent_list_unmark(struct agent_list *list) {
    const struct agent_mark *mark = &list->mark[--list->marks];
    if (*list->count < 0) /* this interpreter's lists have ended */
        return;
    if (list->linked)
        put_below(list, mark);
    else
        put_below_array(list, mark);
}
