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
        hash = span_hash(span_from_text(places[i].function), span_hash(span_from_text(places[i].module), hash));
    return hash;
}

static bool is_entry(const struct entry *entry, uint32_t line, const struct native_place *places, size_t count) {
    if (entry->line != line || entry->native.place_count != count)
        return false;
    for (size_t i = 0; i < count; i++)
        if (strcmp(entry->native.places[i].function, places[i].function) != 0 ||
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

static int by_line_and_bytes(const void *left, const void *right) {
    const struct entry *a = left, *b = right;
    if (a->line != b->line)
        return a->line < b->line ? -1 : 1;
    return samples_amounts_by_peak(&a->native.amounts, &b->native.amounts);
}

void native_folding_end(struct native_folding *folding, struct run_line *lines) {
    struct entry *entries = folding->entries.items;
    size_t count = folding->entries.count;
    struct run_native *kept = arena_new(folding->arena, struct run_native, count + 1);
    if (count)
        qsort(entries, count, sizeof *entries, by_line_and_bytes);
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
