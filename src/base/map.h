/* A hash table from 64-bit keys to 32-bit values. */
#ifndef CAULK_BASE_MAP_H
#define CAULK_BASE_MAP_H

#include <stddef.h>
#include <stdint.h>

struct map_entry;

struct map {
    struct map_entry *entries;
    size_t capacity; /* a power of two, or 0 */
    size_t count;
};

#define MAP_ABSENT UINT32_MAX

/* All zeros is an empty map. */
void map_deinit(struct map *map);

/* The value of `key`, or MAP_ABSENT. O(1). */
uint32_t map_find(const struct map *map, uint64_t key);

/* Sets the value of `key`; `value` must not be MAP_ABSENT. O(1) amortised. */
void map_set(struct map *map, uint64_t key, uint32_t value);

#endif
