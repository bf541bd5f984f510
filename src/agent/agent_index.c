/* Entries of the recording's regions, found by their first bytes. */
#include "agent/agent_stack.h"

#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { FIRST_SLOTS = 4096 };

bool agent_index_prepare(struct agent_index *index) {
    if (index->slots)
        return true;
    index->slot_count = FIRST_SLOTS;
    index->slots = agent_pages(FIRST_SLOTS * sizeof *index->slots);
    return index->slots;
}

static const char *entry_at(const struct agent_index *index, uint32_t number) {
    const char *entries = agent_region(agent_recording, index->region);
    return entries + (size_t)number * agent_recording->regions[index->region].entry_size;
}

static uint32_t hash_key(const char *key, uint32_t words) {
    uint64_t hash = 0, word;
    for (; words; words--, key += sizeof word) {
        memcpy(&word, key, sizeof word);
        hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
        hash ^= hash >> 31;
    }
    return (uint32_t)(hash * 0xbf58476d1ce4e5b9u >> 32);
}

uint32_t *agent_index_slot(const struct agent_index *index, const void *key) {
    size_t length = index->key_words * sizeof(uint64_t);
    uint32_t slot = hash_key(key, index->key_words) & (index->slot_count - 1);
    while (index->slots[slot] && memcmp(entry_at(index, index->slots[slot]), key, length) != 0)
        slot = (slot + 1) & (index->slot_count - 1);
    return &index->slots[slot];
}

/* Twice the slots, so that a half stays empty; what there is must do where there is no memory. */
static void grow(struct agent_index *index) {
    struct agent_index old = *index;
    uint32_t *slots = agent_pages(2 * old.slot_count * sizeof *slots);
    if (!slots)
        return;
    index->slots = slots;
    index->slot_count = 2 * old.slot_count;
    for (uint32_t i = 0; i < old.slot_count; i++)
        if (old.slots[i])
            *agent_index_slot(index, entry_at(index, old.slots[i])) = old.slots[i];
    syscall(SYS_munmap, old.slots, old.slot_count * sizeof *slots);
}

/* One slot at least stays empty: a search ends there. */
uint32_t agent_index_add(struct agent_index *index, uint32_t *slot, const void *entry) {
    const struct wire_region *region = &agent_recording->regions[index->region];
    bool has_slot = region->used + 1 < index->slot_count;
    uint32_t number = has_slot ? agent_region_take(agent_recording, index->region, 1) : UINT32_MAX;
    if (number == UINT32_MAX)
        return 0;
    memcpy((char *)agent_region(agent_recording, index->region) + (size_t)number * region->entry_size, entry,
           region->entry_size);
    agent_region_publish(agent_recording, index->region, 1);
    *slot = number;
    if (number >= index->slot_count / 2)
        grow(index);
    return number;
}
