/* Open addressing with linear probing, at most two thirds full. */
#include "base/map.h"

#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct map_entry {
    uint64_t key;
    uint32_t value; /* MAP_ABSENT marks a free entry */
};

static size_t first_probe(const struct map *map, uint64_t key) {
    key ^= key >> 32;
    key *= 0x9e3779b97f4a7c15u;
    return (size_t)(key >> 20) & (map->capacity - 1);
}

static struct map_entry *find_entry(const struct map *map, uint64_t key) {
    size_t probe = first_probe(map, key);
    while (map->entries[probe].value != MAP_ABSENT && map->entries[probe].key != key)
        probe = (probe + 1) & (map->capacity - 1);
    return &map->entries[probe];
}

static void grow(struct map *map) {
    struct map larger = {.capacity = map->capacity ? map->capacity * 2 : 64, .count = map->count};
    larger.entries = malloc(larger.capacity * sizeof *larger.entries);
    if (!larger.entries) {
        fprintf(stderr, "caulk: out of memory (a table of %zu entries)\n", larger.capacity);
        _exit(STATUS_INTERNAL);
    }
    for (size_t i = 0; i < larger.capacity; i++)
        larger.entries[i] = (struct map_entry){0, MAP_ABSENT};
    for (size_t i = 0; i < map->capacity; i++)
        if (map->entries[i].value != MAP_ABSENT)
            *find_entry(&larger, map->entries[i].key) = map->entries[i];
    free(map->entries);
    *map = larger;
}

uint32_t map_find(const struct map *map, uint64_t key) {
    return map->capacity ? find_entry(map, key)->value : MAP_ABSENT;
}

void map_set(struct map *map, uint64_t key, uint32_t value) {
    if (3 * (map->count + 1) > 2 * map->capacity)
        grow(map);
    struct map_entry *entry = find_entry(map, key);
    map->count += entry->value == MAP_ABSENT;
    *entry = (struct map_entry){key, value};
}

void map_deinit(struct map *map) {
    free(map->entries);
    *map = (struct map){0};
}
