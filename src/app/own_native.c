/* Native chains folded by the line that led to them. */
#include "app/own_native.h"

#include "diagnosis/native_places.h"

#include <stdlib.h>
#include <string.h>

enum { CHAINS_MOST = 3 };

struct entry {
    uint32_t line;
    struct run_native native;
};

static uint64_t hash_places(const struct native_place *places, size_t count, uint64_t hash) {
    for (size_t i = 0; i < count; i++)
        hash = span_hash(span_from_text(places[i].module), hash ^ places[i].address);
    return hash;
}

static bool is_entry(const struct entry *entry, uint32_t line, const struct native_place *places, size_t count) {
    if (entry->line != line || entry->native.place_count != count)
        return false;
    for (size_t i = 0; i < count; i++)
        if (entry->native.places[i].address != places[i].address ||
            strcmp(entry->native.places[i].module, places[i].module) != 0)
            return false;
    return true;
}

static struct run_native *find_chain(struct native_folding *folding, uint32_t line, struct native_place *places,
                                     size_t count) {
    for (uint64_t key = hash_places(places, count, line);; key = key * 0x9e3779b97f4a7c15u + 1) {
        struct entry *entries = folding->entries.items;
        uint32_t index = map_find(&folding->index, key);
        if (index != MAP_ABSENT && is_entry(&entries[index], line, places, count))
            return &entries[index].native;
        if (index != MAP_ABSENT)
            continue;
        map_set(&folding->index, key, (uint32_t)folding->entries.count);
        struct entry *made = vector_push(&folding->entries, struct entry);
        *made = (struct entry){line, {.places = places, .place_count = count}};
        return &made->native;
    }
}

void native_folding_add(struct native_folding *folding, uint32_t line, const struct samples_stack *stack) {
    struct native_place *places;
    if (folding->samples->frames[stack->frame].kind != WIRE_NATIVE_FRAME)
        return;
    size_t count = native_places(folding->samples, stack->frame, folding->arena, &places);
    struct run_native *chain = find_chain(folding, line, places, count);
    samples_amounts_add(&chain->amounts, &stack->amounts);
}

static int compare(uint64_t a, uint64_t b) {
    return (a > b) - (a < b);
}

static int compare_places(const struct native_place *a, const struct native_place *b, bool with_lines) {
    int order = strcmp(a->function, b->function);
    if (!order)
        order = strcmp(a->module, b->module);
    if (!order && with_lines && a->file && b->file)
        order = strcmp(a->file, b->file);
    return !order && with_lines ? compare(a->line, b->line) : order;
}

/* The first place from this one on that tells chains apart: in modules that only lead to the innermost one, what the
 * compiler inlined does not. */
static size_t next_telling(const struct run_native *native, size_t at, bool innermost) {
    while (!innermost && at < native->place_count && native->places[at].inlined)
        at++;
    return at;
}

static int compare_chains(const struct run_native *a, const struct run_native *b) {
    bool innermost = true;
    for (size_t i = 0, k = 0;; i++, k++) {
        innermost = innermost && i < a->place_count && strcmp(a->places[i].module, a->places[0].module) == 0;
        i = next_telling(a, i, innermost);
        k = next_telling(b, k, innermost);
        if (i >= a->place_count || k >= b->place_count)
            return compare(i < a->place_count, k < b->place_count);
        int order = compare_places(&a->places[i], &b->places[k], innermost);
        if (order)
            return order;
    }
}

/* 0 for those that are one. */
static int by_line_and_chain(const void *left, const void *right) {
    const struct entry *a = left, *b = right;
    int order = compare(a->line, b->line);
    return order ? order : compare_chains(&a->native, &b->native);
}

/* Of those that become one the first stays. */
static int by_chain_and_bytes(const void *left, const void *right) {
    const struct entry *a = left, *b = right;
    int order = by_line_and_chain(a, b);
    return order ? order : samples_amounts_by_peak(&a->native.amounts, &b->native.amounts);
}

static int by_line_and_bytes(const void *left, const void *right) {
    const struct entry *a = left, *b = right;
    if (a->line != b->line)
        return a->line < b->line ? -1 : 1;
    return samples_amounts_by_peak(&a->native.amounts, &b->native.amounts);
}

static void find_lines(struct native_folding *folding, struct entry *entries, size_t count) {
    for (size_t i = 0; i < count; i++)
        native_lines_want(folding->lines, entries[i].native.places, entries[i].native.place_count);
    native_lines_look(folding->lines);
    for (size_t i = 0; i < count; i++) {
        struct run_native *native = &entries[i].native;
        native->place_count = native_lines_give(folding->lines, native->places, native->place_count, folding->arena,
                                                &native->places);
    }
}

static size_t merge(struct entry *entries, size_t count) {
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        if (kept && by_line_and_chain(&entries[kept - 1], &entries[i]) == 0)
            samples_amounts_add(&entries[kept - 1].native.amounts, &entries[i].native.amounts);
        else
            entries[kept++] = entries[i];
    return kept;
}

void native_folding_end(struct native_folding *folding, struct run_line *lines) {
    struct entry *entries = folding->entries.items;
    size_t count = folding->entries.count;
    struct run_native *kept = arena_new(folding->arena, struct run_native, count + 1);
    if (count) {
        find_lines(folding, entries, count);
        qsort(entries, count, sizeof *entries, by_chain_and_bytes);
        count = merge(entries, count);
        qsort(entries, count, sizeof *entries, by_line_and_bytes);
    }
    for (size_t i = 0; i < count; i++) {
        struct run_line *line = &lines[entries[i].line];
        kept[i] = entries[i].native;
        if (!line->native_count)
            line->native = &kept[i];
        if (line->native_count < CHAINS_MOST)
            line->native_count++;
    }
    map_deinit(&folding->index);
    vector_deinit(&folding->entries);
}
