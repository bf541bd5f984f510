/* Births from CPython's free lists, as samples: to 3.13 of all that is known here, then of tables of dicts.
 *
 * An object that gets its block from a free list asks no allocator, so nothing could draw it. But every block
 * of a list was put there by a death, and lists are stacks: to each push belongs the birth that takes that
 * block away again. So pushes are drawn, as likely as allocations of their size. At a drawn push all of the
 * list is put aside; the birth that would have reached that block finds the list empty, asks the allocator,
 * and is taken.
 *
 * Of that request nothing is known but its size, so the block is *unsure* until its object has a type: what
 * turns out to be another one was no sample. */
#include "agent/agent_births.h"

#include <dlfcn.h>
#include <string.h>

/* Allocations of sizes that are awaited, during which a mark is waited for; then until the next push that is drawn. A list
 * whose size nobody asks for, while so many allocations of any size are drawn, is *stale*: not waited for until a push onto
 * it, or an allocation of its size, is drawn. */
enum { PATIENCE = 1500, STALE_AFTER = 4 };

/* Include/cpython/object.h: PyObject. */
enum { OBJECT_TYPE = 8 };

static struct {
    agent_malloc *next;                        /* the program's allocator */
    const char *types[LIST_TUPLE + 1];         /* of floats, lists, dicts, none of tables, of tuples */
    uint32_t marked;                           /* a bit for each list with marks */
    uint32_t stale;                            /* ... and for those of them that are stale */
    uint8_t ages[LISTS];                       /* allocations drawn since a mark came */
    uint64_t sizes;                            /* a bit for each size in words that is waited for */
    uint64_t filter;                           /* the same, or all while any allocation may matter */
    int32_t patience;                          /* 0: nobody waits */
    char *unsure;                              /* the block whose object is not known yet */
    uint32_t size, stack;
    /* The interval with which the unsure block was drawn as an allocation too; 0: it was not. */
    uint64_t drawn;
} births;

static const char *type_of(const struct agent_list *list) {
    size_t kind = (size_t)(list - agent_lists);
    return births.types[kind < LIST_TUPLE ? kind : LIST_TUPLE];
}

_Static_assert(LISTS <= 32, "each list has its bit");

/* The lowest of the lists in a set, which it leaves. */
static inline struct agent_list *next_list(uint32_t *lists) {
    struct agent_list *list = &agent_lists[__builtin_ctz(*lists)];
    *lists &= *lists - 1;
    return list;
}

/* Blocks of all lists are whole words. */
static inline uint64_t size_bit(size_t size) {
    return size & 7 ? 0 : (uint64_t)1 << (size >> 3 & 63);
}

bool agent_births_begin(void) {
    static const char *const names[] = {"PyFloat_Type", "PyList_Type", "PyDict_Type", NULL, "PyTuple_Type"};
    for (int i = 0; i <= LIST_TUPLE; i++)
        births.types[i] = names[i] ? dlsym(RTLD_DEFAULT, names[i]) : NULL;
    return agent_lists_begin();
}

/* ---- what the unsure block has become ---------------------------------------------------------------- */

static bool is_object_of(const struct agent_list *list, const char *block) {
    if (list == &agent_lists[LIST_KEYS])
        return agent_table_size(block) == list->size;
    const char *type;
    memcpy(&type, block + list->object + OBJECT_TYPE, sizeof type);
    return type == type_of(list);
}

/* Whether neither an object nor one behind a head of the collector has begun. */
static bool is_blank(const char *block, uint32_t size) {
    uint64_t words[4] = {0};
    memcpy(words, block, size < sizeof words ? size : sizeof words);
    return !words[1] && !words[3 < size / 8 ? 3 : 1];
}

static struct agent_list *list_of(const char *block) {
    for (uint32_t lists = births.marked; lists;) {
        struct agent_list *list = next_list(&lists);
        if (list->size == births.size && is_object_of(list, block))
            return list;
    }
    return NULL;
}

static void count_unsure(uint64_t interval) {
    if (!agent_enter())
        return;
    struct wire_block *entry = agent_range_entry(births.unsure);
    if (entry && agent.phase == AGENT_SAMPLING) {
        entry->stack = births.stack;
        entry->interval = interval;
        agent_account_birth(entry->stack, entry->size, interval, entry->born);
    }
    agent_leave();
}

static void set_filter(void) {
    births.filter = births.sizes && !births.unsure ? births.sizes : UINT64_MAX;
}

static uint32_t awaited_lists(void) {
    return births.marked & ~births.stale;
}

static void note_sizes(void) {
    births.sizes = 0;
    for (uint32_t lists = awaited_lists(); lists;)
        births.sizes |= size_bit(next_list(&lists)->size);
    set_filter();
}

/* The list has a mark more, or less. */
static void note_marks(const struct agent_list *of) {
    size_t index = (size_t)(of - agent_lists);
    uint32_t bit = (uint32_t)1 << index;
    births.marked = of->marks ? births.marked | bit : births.marked & ~bit;
    births.stale &= ~bit;
    births.ages[index] = 0;
    note_sizes();
}

/* The block that was pushed comes back onto the list and has another birth before it: that has its chance too. */
static void unmark(struct agent_list *list) {
    uint64_t interval;
    agent_list_unmark(list);
    if (agent_draws_sample(list->size, &interval))
        agent_list_mark(list, interval);
    note_marks(list);
}

/* Nothing if there is no unsure block; or if nothing lies in it yet, unless it `ends`. */
static void settle(bool ends) {
    if (!births.unsure || (!ends && is_blank(births.unsure, births.size)))
        return;
    struct agent_list *list = list_of(births.unsure);
    if (list) {
        count_unsure(list->mark[list->marks - 1].interval);
        unmark(list);
        agent_recording->reborn++;
    } else if (births.drawn) {
        count_unsure(births.drawn);
    }
    births.unsure = NULL;
    set_filter();
}

void agent_births_block_ends(const void *block) {
    if (block == births.unsure)
        settle(true);
}

/* ---- waiting for a birth ----------------------------------------------------------------------------- */

static bool is_awaited(size_t size) {
    if (!(births.sizes & size_bit(size)) || births.unsure || agent_thread.inside)
        return false;
    for (uint32_t lists = awaited_lists(); lists;) {
        const struct agent_list *list = next_list(&lists);
        if (list->size == size && *list->count == 0)
            return true;
    }
    return false;
}

static void *take_unsure(size_t size, uint64_t drawn) {
    struct wire_block *entry;
    if (agent.phase != AGENT_SAMPLING || !agent_enter())
        return NULL;
    uint64_t begin = agent_clock();
    births.stack = agent_stack_here();
    char *block = agent_range_allocate(size, AGENT_ALIGNMENT, true, &entry);
    if (block) {
        *entry = (struct wire_block){0, agent_now(), size, agent.interval | AGENT_UNCOUNTED};
        AGENT_WRITE(agent.live_samples, agent.live_samples + 1);
        births.unsure = block;
        set_filter();
        births.drawn = drawn;
        births.size = (uint32_t)size;
    }
    agent_spend(begin);
    agent_leave();
    return block;
}

/* What comes from allocations of an awaited size, and of the next ones after a birth: NULL is for the program's allocator. */
static void *take_if_awaited(size_t size) {
    if (!(births.filter & size_bit(size)) && births.filter != UINT64_MAX)
        return NULL; /* of no whole words */
    settle(false);
    bool none_is_awaited = !births.sizes && !births.unsure;
    if (none_is_awaited || --births.patience <= 0) {
        births.patience = 0;
        settle(true);
        agent_hooks_python_put_behind(births.next);
        return NULL;
    }
    return is_awaited(size) ? take_unsure(size, 0) : NULL;
}

static __attribute__((noinline)) void *awaited_or_next(void *context, size_t size) {
    uint32_t inside = agent_thread.inside;
    void *block = NULL;
    if (agent_lists_are_ours()) {
        agent_thread.inside = inside & ~(uint32_t)AGENT_QUIET;
        block = take_if_awaited(size);
        agent_thread.inside = inside;
    }
    return block ? agent_hooks_python_note(block) : births.next(context, size);
}

/* In place of the program's allocator, behind the hook. */
static void *waiting_malloc(void *context, size_t size) {
    if (AGENT_LIKELY(!(births.filter >> (size >> 3 & 63) & 1)))
        return births.next(context, size);
    return awaited_or_next(context, size);
}

static void wait_for_births(void) {
    if (!births.sizes)
        return;
    births.patience = PATIENCE;
    if (agent_hooks_python_behind() == waiting_malloc)
        return;
    births.next = agent_hooks_python_behind();
    agent_hooks_python_put_behind(waiting_malloc);
}

/* An allocation of this size is drawn: lists become stale, or are so no longer. */
static void age_lists(size_t size) {
    uint32_t before = births.stale;
    for (uint32_t lists = births.marked; lists;) {
        size_t index = (size_t)(next_list(&lists) - agent_lists);
        uint32_t bit = (uint32_t)1 << index;
        if (agent_lists[index].size == size) {
            births.stale &= ~bit;
            births.ages[index] = 0;
        } else if (!(births.stale & bit) && ++births.ages[index] > STALE_AFTER) {
            births.stale |= bit;
        }
    }
    if (births.stale == before)
        return;
    note_sizes();
    if (before & ~births.stale)
        wait_for_births();
}

/* A birth that is waited for was drawn at its push: it must not have a second chance. */
void *agent_births_claim(size_t size) {
    uint64_t interval;
    if (!births.marked || !agent_lists_are_ours())
        return NULL;
    age_lists(size);
    if (births.patience <= 0 || !births.sizes)
        return NULL;
    settle(false);
    if (!is_awaited(size))
        return NULL;
    agent_thread.countdown += (int64_t)size + 1;
    return take_unsure(size, agent_draws_sample(size, &interval) ? interval : 0);
}

/* ---- pushes that are drawn --------------------------------------------------------------------------- */

void agent_births_draw(struct agent_list *list, const void *pushed, uint64_t interval) {
    if (!agent_lists_are_ours() || agent.phase != AGENT_SAMPLING || agent_python_is_ending())
        return;
    if (agent_list_top(list) == pushed && agent_list_mark(list, interval))
        note_marks(list);
    wait_for_births();
}

void agent_births_end(void) {
    if (!births.next)
        return;
    settle(true);
    if (agent_hooks_python_behind() == waiting_malloc)
        agent_hooks_python_put_behind(births.next);
    if (!agent_lists_are_ours())
        return;
    for (int i = 0; i < LISTS; i++)
        while (agent_lists[i].marks)
            agent_list_unmark(&agent_lists[i]);
    births.marked = births.stale = 0;
    note_sizes();
}
