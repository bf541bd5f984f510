/* Chooses the layout row of a process by structure: lists that are rings, words that must be there. */
#include "cpython/door.h"

#include "cpython/mimalloc.h"

#include <string.h>

/* A runtime that is asked which row it is of. */
struct door {
    const struct memory *memory;
    uint32_t version;
    remote_address runtime;
    bool has_table, table_is_free_threaded;
};

/* --- what fits --- */

/* A list of the collector is a ring: head.next->prev is head, its lowest bits aside. Where a truncated core
 * has lost the first object, or a wild write has hit it, head.prev->next tells as much; where a core has lost
 * both, that they were in its memory. */
static bool is_collector_ring(const struct memory *memory, remote_address head) {
    uint64_t next, previous, back;
    if (!memory_read_word(memory, head, &next) || !memory_read_word(memory, head + 8, &previous))
        return false;
    next &= ~3ull;
    previous &= ~3ull;
    bool next_is_there = memory_read_word(memory, next + 8, &back);
    if (next_is_there && (back & ~3ull) == head)
        return true;
    if (memory_read_word(memory, previous, &back))
        return (back & ~3ull) == head;
    return !next_is_there && memory_find_segment(memory, next) && memory_find_segment(memory, previous);
}

static bool collector_lists_fit(const struct memory *memory, const struct layout *layout, remote_address gc) {
    for (uint32_t generation = 0; generation < 3; generation++)
        if (!is_collector_ring(memory, gc + layout->gc_generations + generation * layout->gc_generation_size))
            return false;
    return is_collector_ring(memory, gc + layout->gc_permanent_generation);
}

/* A free-threaded build has no lists but heaps in each thread; one that has just begun may have none yet. */
static bool any_thread_has_heaps(const struct memory *memory, const struct layout *layout, remote_address thread) {
    enum { THREADS_ASKED = 64 };
    if (!thread) /* another interpreter that nobody is in */
        return true;
    for (int i = 0; thread && i < THREADS_ASKED; i++) {
        if (mimalloc_thread_fits(memory, layout, thread))
            return true;
        if (!memory_read_word(memory, thread + layout->thread_next, &thread))
            return false;
    }
    return false;
}

static bool threads_fit(const struct memory *memory, const struct layout *layout, remote_address runtime,
                        remote_address interpreter, uint64_t *thread_out) {
    uint64_t back, owner;
    if (!memory_read_word(memory, interpreter + layout->interpreter_runtime, &back) || back != runtime)
        return false;
    if (!memory_read_word(memory, interpreter + layout->interpreter_threads, thread_out))
        return false;
    return !*thread_out ||
           (memory_read_word(memory, *thread_out + layout->thread_interpreter, &owner) && owner == interpreter);
}

static bool interpreter_fits(const struct memory *memory, const struct layout *layout, remote_address runtime,
                             remote_address interpreter) {
    uint64_t thread;
    if (!threads_fit(memory, layout, runtime, interpreter, &thread))
        return false;
    return layout->thread_heaps != LAYOUT_NONE
               ? any_thread_has_heaps(memory, layout, thread)
               : collector_lists_fit(memory, layout, interpreter + layout->interpreter_gc);
}

enum { ATTEMPTS_MAX = 1000 };

bool door_interpreter_fits(const struct memory *memory, const struct layout *layout, remote_address runtime,
                           remote_address interpreter) {
    for (int attempt = 0; attempt < ATTEMPTS_MAX; attempt++)
        if (interpreter_fits(memory, layout, runtime, interpreter))
            return true;
    return false;
}

remote_address door_first_interpreter(const struct memory *memory, const struct layout *layout, remote_address runtime) {
    uint64_t interpreter;
    return memory_read_word(memory, runtime + layout->runtime_interpreters_head, &interpreter) ? interpreter : 0;
}

/* --- what the process tells of itself --- */

static const struct {
    size_t field, told;
} told_fields[] = {
#define TOLD_FIELD(name) {offsetof(struct layout, name), offsetof(struct layout, told_##name)},
    LAYOUT_TOLD_FIELDS(TOLD_FIELD)
#undef TOLD_FIELD
};

static uint32_t *field_of(struct layout *layout, size_t offset) {
    return (uint32_t *)(void *)((char *)layout + offset);
}

/* Whether the runtime begins with _Py_DebugOffsets, and for which build (Include/internal/pycore_debug_offsets.h:
 * cookie, version, free_threaded). */
static void find_table(struct door *door) {
    uint64_t words[3];
    if (!memory_read(door->memory, door->runtime, sizeof words, words))
        return;
    door->has_table = memcmp(words, "xdebugpy", 8) == 0 && words[1] == door->version;
    door->table_is_free_threaded = words[2];
}

/* A release moves fields by words, it does not move them to another order of magnitude. */
static bool is_sane(uint64_t told, uint32_t known) {
    enum { SPACE_FOR_NEW_FIELDS = 2048 };
    return told <= (uint64_t)known + known / 2 + SPACE_FOR_NEW_FIELDS && (told % 4 == 0 || told == known);
}

/* Lays the offsets of the process over the row; false if one of them makes no sense, so that none is believed. */
static bool lay_over(const struct door *door, struct layout *made) {
    for (size_t i = 0; i < sizeof told_fields / sizeof *told_fields; i++) {
        uint32_t place = *field_of(made, told_fields[i].told), *field = field_of(made, told_fields[i].field);
        uint64_t told;
        if (place == LAYOUT_NONE || *field == LAYOUT_NONE)
            continue;
        if (!memory_read_word(door->memory, door->runtime + place, &told) || !is_sane(told, *field))
            return false;
        *field = (uint32_t)told;
    }
    return true;
}

/* --- what only the structures can tell --- */

/* The place of the first of `count` rings side by side at or behind `from`, by words of four bytes; LAYOUT_NONE if there
 * are none nearby. */
static uint32_t find_rings(const struct door *door, const struct layout *layout, remote_address gc, uint32_t from, uint32_t count) {
    enum { FARTHEST = 64 };
    for (uint32_t place = from; place <= from + FARTHEST; place += 4) {
        uint32_t found = 0;
        while (found < count && is_collector_ring(door->memory, gc + place + (uint64_t)found * layout->gc_generation_size))
            found++;
        if (found == count)
            return place;
    }
    return LAYOUT_NONE;
}

/* The collector's lists are not in the table, and releases have moved them: they are where rings are, in the order that
 * all releases have (three generations or young and old[2], then the permanent one, then statistics; in front the words
 * `enabled` and `debug`). */
static void find_collector_lists(const struct door *door, struct layout *made, remote_address interpreter) {
    remote_address gc = interpreter + made->interpreter_gc;
    uint32_t generations = find_rings(door, made, gc, 0, 3);
    if (generations == LAYOUT_NONE)
        return;
    uint32_t permanent = find_rings(door, made, gc, generations + 3 * made->gc_generation_size, 1);
    if (permanent == LAYOUT_NONE)
        return;
    uint32_t by = permanent - made->gc_permanent_generation;
    made->gc_generations = generations;
    made->gc_permanent_generation = permanent;
    if (made->gc_enabled + 8 > generations || made->gc_enabled + 12 < generations)
        made->gc_enabled = generations - 8;
    if (made->told_gc_statistics == LAYOUT_NONE)
        made->gc_statistics += by;
    if (made->told_gc_collecting == LAYOUT_NONE)
        made->gc_collecting += by;
}

static bool is_dict(const struct door *door, const struct layout *layout, remote_address object) {
    uint64_t type, flags;
    return object && memory_read_word(door->memory, object + layout->object_type, &type) &&
           memory_read_word(door->memory, type + layout->type_flags, &flags) && flags & TPFLAGS_DICT_SUBCLASS;
}

/* Whether the table of static types begins with a type: its own type is one whose type is itself. */
static bool has_static_types(const struct door *door, const struct layout *layout, remote_address interpreter) {
    uint64_t first, type, metatype;
    remote_address place = interpreter + layout->interpreter_static_types + layout->static_type_type;
    return memory_read_word(door->memory, place, &first) &&
           memory_read_word(door->memory, first + layout->object_type, &type) &&
           memory_read_word(door->memory, type + layout->object_type, &metatype) && type == metatype;
}

/* The main interpreter is the last of the chain. */
static remote_address main_interpreter(const struct door *door, const struct layout *layout) {
    enum { INTERPRETERS_MAX = 256 };
    uint64_t interpreter = door_first_interpreter(door->memory, layout, door->runtime), next = interpreter;
    for (int i = 0; next && i < INTERPRETERS_MAX; i++) {
        interpreter = next;
        if (!memory_read_word(door->memory, interpreter + layout->interpreter_next, &next))
            break;
    }
    return interpreter;
}

/* Whether the first thread of the main interpreter, which is part of it, is where the row says. What cannot be read
 * says nothing against it. */
static bool has_initial_thread(const struct door *door, const struct layout *layout, remote_address interpreter) {
    uint64_t owner;
    remote_address place = interpreter + layout->interpreter_initial_thread + layout->thread_interpreter;
    return !memory_read_word(door->memory, place, &owner) || owner == interpreter;
}

static bool has_interned(const struct door *door, const struct layout *layout, remote_address interpreter) {
    uint64_t interned;
    return layout->interpreter_interned != LAYOUT_NONE &&
           memory_read_word(door->memory, interpreter + layout->interpreter_interned, &interned) &&
           is_dict(door, layout, interned);
}

/* Where the row puts the last part of the interpreter elsewhere than the process does, all tables there have moved by
 * as much: the first thread, which is the last of the list, tells by how far. */
static bool move_last_part(const struct door *door, struct layout *made, remote_address interpreter) {
    enum { THREADS_MAX = 1 << 16 };
    uint64_t last = 0, next = 0;
    if (made->interpreter_interned == LAYOUT_NONE)
        return false;
    if (!memory_read_word(door->memory, interpreter + made->interpreter_threads, &next))
        return false;
    for (int i = 0; next && i < THREADS_MAX; i++) {
        last = next;
        if (!memory_read_word(door->memory, last + made->thread_next, &next))
            return false;
    }
    if (last < interpreter || !is_sane(last - interpreter, made->interpreter_initial_thread))
        return false;
    uint32_t by = (uint32_t)(last - interpreter) - made->interpreter_initial_thread;
    uint32_t *moved[] = {&made->interpreter_initial_thread, &made->interpreter_type_cache,    &made->interpreter_interned,
                         &made->interpreter_static_types,   &made->interpreter_extension_types, &made->interpreter_type_versions};
    for (size_t i = 0; i < sizeof moved / sizeof *moved; i++)
        if (*moved[i] != LAYOUT_NONE)
            *moved[i] += by;
    return has_interned(door, made, interpreter) && has_static_types(door, made, interpreter);
}

/* --- choosing --- */

enum { FITS = 1, LISTS_IN_PLACE = 1, HAS_INTERNED = 2, HAS_FIRST_THREAD = 4, SAME_SIZES = 8 };

/* Whether nothing that a process can show speaks against a row of this weight. */
static bool is_certain(const struct door *door, const struct layout *row, int weight) {
    if (row->interpreter_initial_thread == LAYOUT_NONE)
        return weight == FITS + LISTS_IN_PLACE;
    int least = FITS + LISTS_IN_PLACE + HAS_FIRST_THREAD + (row->interpreter_interned != LAYOUT_NONE ? HAS_INTERNED : 0);
    return weight >= least + (door->has_table ? SAME_SIZES : 0);
}

/* How well a layout fits: 0 not at all. Sizes that the process tells weigh most, then what lies where. */
static int weigh(const struct door *door, const struct layout *row, struct layout *made, bool is_laid_over) {
    remote_address interpreter = door_first_interpreter(door->memory, made, door->runtime);
    if (!interpreter)
        return 0;
    if (!interpreter_fits(door->memory, made, door->runtime, interpreter)) {
        if (made->thread_heaps == LAYOUT_NONE)
            find_collector_lists(door, made, interpreter);
        if (!interpreter_fits(door->memory, made, door->runtime, interpreter))
            return 0;
    }
    bool in_place = made->gc_generations == row->gc_generations && made->gc_permanent_generation == row->gc_permanent_generation;
    int weight = FITS + (in_place ? LISTS_IN_PLACE : 0);
    if (made->interpreter_initial_thread == LAYOUT_NONE)
        return weight;
    remote_address first = main_interpreter(door, made);
    bool same_sizes = is_laid_over && made->runtime_size == row->runtime_size && made->interpreter_size == row->interpreter_size;
    int shown = (same_sizes ? SAME_SIZES : 0) + (has_initial_thread(door, made, first) ? HAS_FIRST_THREAD : 0) +
                (has_interned(door, made, first) ? HAS_INTERNED : 0);
    return shown ? weight + shown : move_last_part(door, made, first);
}

/* The weight of a row with what the process tells laid over it, or else of the row alone. */
static int weigh_row(const struct door *door, const struct layout *row, struct layout *made) {
    *made = *row;
    if (door->has_table && door->table_is_free_threaded != (row->build & LAYOUT_FREE_THREADED))
        return 0;
    int weight = door->has_table && lay_over(door, made) ? weigh(door, row, made, true) : 0;
    if (weight)
        return weight;
    *made = *row;
    return weigh(door, row, made, false);
}

const struct layout *door_choose(const struct memory *memory, uint32_t version, remote_address runtime,
                                 struct layout *made) {
    enum { ATTEMPTS_TO_BE_CERTAIN = 10 };
    struct door door = {.memory = memory, .version = version, .runtime = runtime};
    const struct layout *chosen = NULL, *row;
    int best = 0;
    bool certain = false;
    find_table(&door);
    /* A program that runs may fit its own row at no moment of an attempt, and a stranger's, with its lists searched for,
     * at the next: only a row that all speaks for is taken at once. */
    for (int attempt = 0; attempt < (chosen ? ATTEMPTS_TO_BE_CERTAIN : ATTEMPTS_MAX) && !certain; attempt++)
        for (size_t rank = 0; (row = layout_find_next(version, rank)); rank++) {
            struct layout candidate;
            int weight = weigh_row(&door, row, &candidate);
            if (weight <= best)
                continue;
            best = weight;
            certain = is_certain(&door, row, weight);
            chosen = row;
            *made = candidate;
        }
    return chosen && memcmp(chosen, made, sizeof *made) != 0 ? made : chosen;
}
