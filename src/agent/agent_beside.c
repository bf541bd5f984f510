/* A table of native blocks by address: two buckets of eight for each, so that entries never move. */
#include "agent/agent_beside.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

enum { WAYS = 8, FILTER_FULL = UINT8_MAX };

struct bucket {
    _Alignas(64) void *blocks[WAYS]; /* NULL: unused */
};

/* Addresses are kept inverted: who searches the process for pointers to a block must not take the table for its holder.
 * An address is read without the lock: whoever frees a block was given it after it came into the table. */
static struct {
    struct bucket *buckets;
    struct wire_block *entries; /* of each place of a bucket */
    size_t count;               /* of buckets, a power of two */
    size_t used;                /* entries */
} table;

uint8_t agent_beside_filter[AGENT_FILTER_SIZE];

/* A part of what the agent may have; with every byte most of it lies here. */
int agent_beside_begin(void) {
    size_t share = agent.options.memory / (agent.every_byte ? 4 : 16);
    size_t entry = sizeof(struct wire_block) + sizeof(void *), count = 16;
    if (table.buckets)
        return 0;
    while (count * 2 * WAYS * entry <= share)
        count *= 2;
    struct wire_block *entries = agent_pages(count * WAYS * sizeof *entries);
    struct bucket *buckets = agent_pages(count * sizeof *buckets);
    if (!entries || !buckets) {
        if (entries)
            munmap(entries, count * WAYS * sizeof *entries);
        return ENOMEM;
    }
    table.entries = entries;
    table.count = count;
    agent.overhead += count * WAYS * entry;
    __atomic_store_n(&table.buckets, buckets, __ATOMIC_RELEASE);
    return 0;
}

bool agent_beside_is_crowded(void) {
    return table.used > table.count * (WAYS * 3 / 4);
}

static size_t bucket_of(const void *block, int choice) {
    uint64_t mixed = ((uintptr_t)block >> 4) * 0x9e3779b97f4a7c15u;
    return (choice ? mixed >> 20 : mixed >> 42) & (table.count - 1);
}

static void *hidden(const void *block) {
    return (void *)~(uintptr_t)block;
}

/* The place in the table where the word for `block` is `what`: NULL for a free one. SIZE_MAX if there is none. */
static size_t find(const void *block, const void *what) {
    for (int choice = 0; table.buckets && choice < 2; choice++) {
        size_t bucket = bucket_of(block, choice);
        for (size_t way = 0; way < WAYS; way++)
            if (AGENT_READ(table.buckets[bucket].blocks[way]) == what)
                return bucket * WAYS + way;
    }
    return SIZE_MAX;
}

static void write_place(size_t place, void *block) {
    AGENT_WRITE(table.buckets[place / WAYS].blocks[place % WAYS], block);
}

static void remove_locked(size_t place, const void *block) {
    uint8_t *filter = &agent_beside_filter[agent_beside_place(block)];
    write_place(place, NULL);
    table.used--;
    if (*filter != FILTER_FULL)
        AGENT_WRITE(*filter, *filter - 1);
}

static bool insert_locked(void *block, const struct wire_block *entry) {
    size_t place = find(block, NULL);
    uint8_t *filter = &agent_beside_filter[agent_beside_place(block)];
    if (place == SIZE_MAX)
        return false;
    table.entries[place] = *entry;
    table.used++;
    if (*filter != FILTER_FULL)
        AGENT_WRITE(*filter, *filter + 1);
    write_place(place, hidden(block));
    agent_account_birth(entry->stack, entry->size, entry->interval, entry->born);
    return true;
}

static bool die_locked(void *block, struct wire_block *entry_out) {
    size_t place = find(block, hidden(block));
    if (place == SIZE_MAX)
        return false;
    *entry_out = table.entries[place];
    remove_locked(place, block);
    agent_count_death(entry_out);
    return true;
}

void agent_beside_born(void *block, size_t size) {
    agent_thread.countdown += (int64_t)size + 1;
    if (agent_thread.inside) /* the agent's own, or counted by one of Python's hooks */
        return;
    uint64_t interval, begin = agent_clock();
    int known = errno;
    agent_beside_dies(block, NULL);
    if (block && agent_draws_sample(size, &interval) && agent_enter()) {
        if (agent.phase == AGENT_SAMPLING) {
            struct wire_block entry = {agent_stack_here(), agent_now(), size, interval};
            if (!insert_locked(block, &entry))
                agent_recording->regions[WIRE_STACKS].refused++;
        }
        agent_spend(begin);
        agent_leave();
    }
    errno = known;
}

bool agent_beside_dies(void *block, struct wire_block *entry_out) {
    struct wire_block entry;
    if (!block || !agent_beside_may_have(block) || find(block, hidden(block)) == SIZE_MAX)
        return false;
    int known = errno;
    bool died = false;
    if (agent_enter()) {
        died = die_locked(block, entry_out ? entry_out : &entry);
        agent_leave();
    }
    errno = known;
    return died;
}

void agent_beside_lives(void *block, const struct wire_block *entry) {
    int known = errno;
    if (agent_enter()) {
        if (agent.phase == AGENT_SAMPLING)
            insert_locked(block, entry);
        agent_leave();
    }
    errno = known;
}

/* With the lock held all along: each() may not ask for it. */
void agent_beside_walk(void (*each)(const struct wire_block *entry)) {
    for (size_t place = 0; table.buckets && place < table.count * WAYS; place++)
        if (table.buckets[place / WAYS].blocks[place % WAYS])
            each(&table.entries[place]);
}

void agent_beside_clear(void) {
    if (!table.buckets || !agent_enter())
        return;
    for (size_t place = 0; table.used && place < table.count * WAYS; place++) {
        void *block = table.buckets[place / WAYS].blocks[place % WAYS];
        if (!block)
            continue;
        remove_locked(place, hidden(block));
        agent_count_death(&table.entries[place]);
    }
    agent_leave();
}
