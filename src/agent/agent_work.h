/* Between the agent's own files: its one state, its threads, its lock, its range of addresses.
 *
 * Words. A *taken* allocation is one that the agent serves itself, in the *range*, because it was sampled (or
 * because every one is). A *gap* is the number of bytes to the next sample. A thread is *inside* while it runs
 * the agent's code: hooks that are reached from there pass through.
 *
 * One lock, held for well under a microsecond, and only for taken allocations. A thread that is interrupted
 * inside (a signal handler that frees) leaves its block on a list for the lock's next holder. */
#ifndef CAULK_AGENT_AGENT_WORK_H
#define CAULK_AGENT_AGENT_WORK_H

#include "agent/agent.h"

#include <sys/types.h>

#define AGENT_LIKELY(condition) __builtin_expect(!!(condition), 1)
#define AGENT_UNLIKELY(condition) __builtin_expect(!!(condition), 0)

/* Words that are read without the lock. */
#define AGENT_READ(word) __atomic_load_n(&(word), __ATOMIC_RELAXED)
#define AGENT_WRITE(word, value) __atomic_store_n(&(word), (value), __ATOMIC_RELAXED)

enum {
    AGENT_SMALL_CLASSES = 48,   /* sizes 16 to 512 by 16, then four per doubling */
    AGENT_LENGTH_CLASSES = 160, /* lengths of free spans, four per doubling */
    AGENT_ALIGNMENT = 16,
};

/* In the interval of a block that is not counted: it is about to be copied, its object has ended and the block waits
 * on one of Python's free lists, or what it is to be is not known yet. */
#define AGENT_UNCOUNTED ((uint64_t)1 << 63)

struct agent_span;

/* Who has asked for what at the start. */
struct agent_options {
    char file[4096 - 256];
    char spare[4096 - 256];
    uint64_t interval, memory;
    double budget;
    int native;
};

enum agent_phase { AGENT_ABSENT, AGENT_WAITING, AGENT_SAMPLING, AGENT_STOPPED, AGENT_FINISHED };

struct agent {
    /* Read by every free; written once. */
    uintptr_t range_base;
    size_t range_size;
    uint32_t phase; /* enum agent_phase */
    uint64_t interval;
    bool every_byte, native;
    bool beside; /* native memory is watched by slots: its blocks stay where they are */
    const volatile char *single_threaded; /* libc's word for it, where it has one: no other thread, no lock */

    /* Under the lock. */
    _Alignas(64) uint32_t lock;
    void *left;          /* blocks that were freed inside, a list through their first words */
    size_t range_used;   /* bytes that were ever given out */
    size_t range_open;   /* bytes that can be written */
    struct agent_span *with_room[AGENT_SMALL_CLASSES];
    struct agent_span *free_spans[AGENT_LENGTH_CLASSES];
    size_t idle;         /* bytes of free spans whose pages are kept for the next */
    size_t overhead;     /* bytes of heads and tables of spans in use */
    uint64_t live_samples;

    /* The account. */
    uint64_t moment_step, moment_next;
    uint32_t used_at_fork[WIRE_REGIONS];
    uint64_t backed[WIRE_REGIONS]; /* bytes of each region that have memory */
    bool forked;                   /* a child that has not yet a recording of its own */
    uint32_t enters_to_look;       /* see agent_guard_look */

    /* The cost, for the budget. */
    uint64_t cost, cost_since;

    struct agent_options options;
};

extern struct agent agent;

/* In `inside` of a thread that is not: what it asks of malloc is counted already. */
enum { AGENT_QUIET = 2 };

/* A thread's own, in static thread storage: dlopen has little of it. */
struct agent_thread {
    int64_t countdown; /* bytes to the next sample */
    uint64_t interval; /* that the gap was drawn with; 0: none was drawn */
    uint64_t random;
    uint32_t inside;
    uint32_t nesting;  /* of objects that end, see agent_rebirth.c */
    uintptr_t shallow; /* see agent_shallow.h; 0: not asked yet */
};

extern __thread struct agent_thread agent_thread __attribute__((tls_model("initial-exec")));

static inline bool agent_in_range(const void *block) {
    return (uintptr_t)block - agent.range_base < agent.range_size;
}

/* The child of a fork makes its own recording before it writes. Under the lock. */
void agent_fork_settle(void);

/* Whether the recording is still guarded (agent_guard.c). Any thread, at any time; once in 64 turns of the lock if each
 * allocation takes one, else in each. */
void agent_guard_look(void);

/* ---- agent_lock.c ------------------------------------------------------------------------------------ */

void agent_lock_wait(void);

static inline void agent_lock(void) {
    if (agent.single_threaded && *agent.single_threaded)
        __atomic_store_n(&agent.lock, 1, __ATOMIC_RELAXED);
    else if (AGENT_UNLIKELY(__atomic_exchange_n(&agent.lock, 1, __ATOMIC_ACQUIRE)))
        agent_lock_wait();
}

static inline void agent_unlock(void) {
    __atomic_store_n(&agent.lock, 0, __ATOMIC_RELEASE);
}

/* False if this thread is inside already; else it is now, and holds the lock. */
static inline bool agent_enter(void) {
    if (AGENT_UNLIKELY(agent_thread.inside))
        return false;
    agent_thread.inside = 1;
    /* A signal handler of this thread must see the mark before the lock is taken. */
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    agent_lock();
    if (AGENT_UNLIKELY(agent.forked))
        agent_fork_settle();
    if (AGENT_UNLIKELY(agent.enters_to_look-- == 0))
        agent_guard_look();
    return true;
}

static inline void agent_leave(void) {
    agent_unlock();
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    agent_thread.inside = 0;
}

/* ---- agent_range.c, agent_span.c: under the lock ------------------------------------------------------- */

#define AGENT_SPAN_SIZE ((size_t)WIRE_SPAN_SIZE)

/* Reserves the range: `size` bytes, or less if there is no room for so many. 0 or errno. */
int agent_range_reserve(size_t size);

/* Gives back what was reserved and never used, if the process may have less address space than it might then. */
void agent_range_fit(void);

/* A block of `size` bytes at a multiple of `alignment`, zeroed if asked; NULL if there is no room. Its entry is
 * empty: the caller fills it in. */
void *agent_range_allocate(size_t size, size_t alignment, bool zeroed, struct wire_block **entry_out);

/* The entry of a live block. Any address of a range that begins no live block gives NULL. */
struct wire_block *agent_range_entry(void *block);

/* The entry of the live block that an object lies in (heads of 16 or 32 bytes may stand before it), and the mark
 * whether an object has begun in it. */
struct wire_block *agent_range_holding(void *object, uint8_t **mark_out);

/* Bytes that can be used from the block's begin on. */
size_t agent_range_usable(void *block);

/* Grows or shrinks without a copy: where the block lies, or by moving its pages. NULL if it must be copied. */
void *agent_range_resize(void *block, size_t old, size_t size);

void agent_range_free(void *block);

/* Calls `each` for every live block's entry. */
void agent_range_walk(void (*each)(const struct wire_block *entry));

/* A run of spans, zeroed or not; opened for writing. */
struct agent_span *agent_spans_take(size_t length, bool *zeroed_out);
void agent_spans_release(struct agent_span *span);

/* ---- agent_sample.c ---------------------------------------------------------------------------------- */

/* What a hook calls when the countdown has passed below zero: the block, or NULL if the program's allocator is
 * to serve this one. */
void *agent_sample(size_t size, size_t alignment, bool zeroed);

/* Whether an allocation of this size is a sample, for hooks that do not take the block. Counts it down. */
bool agent_draws_sample(size_t size, uint64_t *interval_out);

/* Nanoseconds; and what the sampling that began then has cost, for the budget. The second under the lock. */
uint64_t agent_clock(void);
void agent_spend(uint64_t begin);

/* A sample is no more, if deaths are still counted. Under the lock. */
void agent_count_death(const struct wire_block *entry);

/* A block of the range for certain, NULL if there is no room. */
void *agent_take(size_t size, size_t alignment, bool zeroed, uint64_t interval);

/* Takes back a block of the range. False if no block begins there: Python's debug allocators hand out addresses
 * inside the blocks that they get from malloc. */
bool agent_release(void *block);

/* Whether a block of the range begins there, and its size as asked. */
bool agent_owns(void *block, size_t *size_out);

/* Reallocates a block of the range that had `old` bytes; `outside` is asked for the memory when the new block is no
 * sample. */
void *agent_retake(void *block, size_t old, size_t size, void *(*outside)(void *context, size_t size), void *context);

/* An object in the range ends (its block may stay), or begins in a block that may have had another. */
void agent_object_ends(void *object);
void agent_object_begins(void *object);

/* A number from 0 to 2^64 - 1 of this thread's own; a gap with the mean `interval`. */
uint64_t agent_random(void);
int64_t agent_gap(uint64_t interval);

/* ---- agent_account.c --------------------------------------------------------------------------------- */

/* Begins an empty account in a new recording. False if there is no disk space even for that. */
bool agent_account_begin(void);

/* What the agent uses for itself, without the blocks. */
uint64_t agent_bytes(void);

/* Makes the live counters anew from the blocks of the range and what `walk_more` knows: in a fork's child. */
void agent_account_rebuild(void (*walk_more)(void (*each)(const struct wire_block *entry)));

/* ---- agent_recording.c --------------------------------------------------------------------------------- */

/* A child's own recording in place of its parent's. 0 or errno. */
int agent_recording_adopt(void);

/* Makes pages of a shared mapping present, so that no disk space is missed later. */
bool agent_populate(void *begin, size_t length, int *error_out);

/* ---- agent_spare.c ------------------------------------------------------------------------------------- */

/* The file of that name, if it is one, gives places for recordings to this process and its children by fork. */
void agent_spare_find(const char *path);

/* Maps a place of `size` bytes, somewhere. 0 or errno. */
int agent_spare_take(size_t size, struct wire_head **out);

/* ---- agent_guard.c ----------------------------------------------------------------------------------- */

/* From now on this recording may be cut short by others. Keeps a copy of its head. */
void agent_guard(struct wire_head *head);

/* Whether that has happened: what the recording had is gone, and nothing is counted any more. */
bool agent_recording_is_lost(void);

/* ---- agent_hooks_python.c ------------------------------------------------------------------------------ */

/* EBUSY if another tool's hooks are there already, which would take the agent's along when they go; ENOENT without
 * Python; else 0. Where the library was preloaded, nothing is lost by that: what is left comes back by free. */
int agent_hooks_python_refuse(void);
/* Puts the hooks on the domains MEM and OBJ; again if Python has taken them away. With the GIL, if Python
 * `is_initialized`. 0 or errno. */
int agent_hooks_python_set(bool is_initialized);
/* Takes them away where they are still on top, and no block of the range lives that needs them to come back. */
void agent_hooks_python_end(void);
/* `taken` (NULL: nothing) goes to Python in place of a block of its own allocator. Itself. */
void *agent_hooks_python_note(void *taken);
/* What serves births from free lists if they were not taken; and another in its place, which other interpreters' threads call
 * at once. */
typedef void *agent_malloc(void *context, size_t size);
agent_malloc *agent_hooks_python_behind(void);
void agent_hooks_python_put_behind(agent_malloc *next);
/* Whether Python takes itself down at the moment. */
bool agent_python_is_ending(void);

/* ---- agent_rebirth.c ----------------------------------------------------------------------------------- */

/* Once Python is initialised, with the GIL. */
void agent_rebirth_set(void);
void agent_rebirth_end(void);

/* ---- agent_traced.c ------------------------------------------------------------------------------------ */

/* Whether Python tells of births and ends now; false where it cannot, or tells another. With the GIL. */
bool agent_traced_begin(void);
bool agent_traced_is_on(void);
void agent_traced_end(void);

/* ---- agent_tables.c ------------------------------------------------------------------------------------ */

/* From 3.13 on: whether each table of a dict is seen to come and go now; false where Python's free list of tables is not
 * found. With the GIL. */
bool agent_tables_begin(void);
void agent_tables_end(void);

/* Looks for that list, and that of dicts, with some dicts that are made for it; false if the first is not known then. From
 * 3.10 on; while the deallocator of dicts is Python's own. */
bool agent_tables_find(void);

/* The dict that a table of the range belongs to is about to end. */
void agent_table_ends(char *table);

/* ---- agent_hooks_malloc.c ------------------------------------------------------------------------------ */

/* What malloc's hooks do. They are in the program's way only if the library was preloaded. */
enum agent_malloc_mode {
    AGENT_MALLOC_UNRESOLVED, /* the real functions are not known yet */
    AGENT_MALLOC_MARK,       /* pass, and leave a mark: see agent_hooks_malloc_serve */
    AGENT_MALLOC_PASS,
    AGENT_MALLOC_WATCH,      /* count and take */
    AGENT_MALLOC_LOOK,       /* pass, but look whether Python has come or changed */
};
void agent_hooks_malloc_mode(enum agent_malloc_mode mode);

/* Whether malloc is the agent's because the library was preloaded. */
bool agent_hooks_malloc_are_first(void);

/* Whether an allocator asks the agent's malloc for a block of this size, and gives it back to the agent's free. */
bool agent_hooks_malloc_serve(void *(*allocate)(void *context, size_t size), void (*give_back)(void *context, void *block),
                              size_t size);

/* ---- agent_beside.c: samples that stay where they are, for native memory without preload ------------------ */

/* Calls `each` for every sample. Under the lock. */
void agent_beside_walk(void (*each)(const struct wire_block *entry));

/* Whether the table has little room: fewer samples then. */
bool agent_beside_is_crowded(void);

/* ---- agent_hooks_mmap.c -------------------------------------------------------------------------------- */

/* Calls `each` for every mapping that is a live sample. */
void agent_mappings_walk(void (*each)(const struct wire_block *entry));

/* All of them die: what happened to them was not watched. */
void agent_mappings_clear(void);

/* mmap and the like by names that nobody else has. */
void *agent_mmap(void *address, size_t size, int protection, int flags, int file, off_t offset);
void *agent_mmap64(void *address, size_t size, int protection, int flags, int file, __off64_t offset);
int agent_munmap(void *begin, size_t size);
void *agent_mremap(void *begin, size_t size, size_t new_size, int flags, ...);

/* ---- agent_hooks_slots.c: malloc's hooks by the slots of loaded libraries ----------------------------------- */

/* With the GIL. 0 or errno: native memory is watched, or is not. */
int agent_hooks_slots_set(void);
void agent_hooks_slots_end(void);

/* Before they are set again. */
void agent_hooks_slots_forget(void);

/* ---- agent_options.c, agent_start.c ---------------------------------------------------------------------- */

/* 0, or EINVAL for a word that means nothing. */
int agent_options_read(const char *words, struct agent_options *out);

/* A preloaded agent that has waited for Python looks again. Cheap. */
void agent_start_look(void);

#endif
