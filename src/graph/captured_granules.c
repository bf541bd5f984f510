/* Sets and lists of granules: sorting and ranking. */
#include "graph/captured.h"

#include <stdlib.h>
#include <string.h>

static int compare_granules(const void *a, const void *b) {
    uint32_t first = *(const uint32_t *)a, second = *(const uint32_t *)b;
    return (first > second) - (first < second);
}

/* Least significant digit first, three passes of 11 bits. */
void granules_sort(uint32_t *granules, size_t count, struct arena *scratch) {
    enum { BITS = 11, BUCKETS = 1 << BITS };
    if (count < 4096) {
        qsort(granules, count, sizeof *granules, compare_granules);
        return;
    }
    uint32_t *from = granules, *to = arena_new(scratch, uint32_t, count), *spare = to;
    for (int pass = 0; pass < 3; pass++) {
        size_t begin[BUCKETS] = {0};
        for (size_t i = 0; i < count; i++)
            begin[from[i] >> pass * BITS & (BUCKETS - 1)]++;
        size_t sum = 0;
        for (int bucket = 0; bucket < BUCKETS; bucket++) {
            size_t size = begin[bucket];
            begin[bucket] = sum;
            sum += size;
        }
        for (size_t i = 0; i < count; i++)
            to[begin[from[i] >> pass * BITS & (BUCKETS - 1)]++] = from[i];
        uint32_t *swap = from;
        from = to;
        to = swap;
    }
    memcpy(granules, from, count * sizeof *granules);
    arena_release(scratch, spare);
}

void granule_set_freeze(struct granule_set *set, struct arena *arena) {
    set->rank = arena_new(arena, uint32_t, set->words);
    uint32_t sum = 0;
    for (uint64_t word = 0; word < set->words; word++) {
        set->rank[word] = sum;
        sum += (uint32_t)__builtin_popcountll(set->bits[word]);
    }
}
