/* Native blocks that are samples and stay where the program's allocator put them.
 *
 * A block of the range must come back to the agent. That is certain where the agent's malloc is everybody's, in a
 * preloaded library; where only slots of libraries lead to it (agent_slots.h) it is not: libc's own free, a pointer
 * to free that the program keeps, a library that found it by dlsym would be given an address they do not know. So
 * there no block is moved. A table has the addresses of samples, and a filter before it lets nearly every other
 * address pass at the price of one byte read. What is freed by a way that is not watched leaves an entry behind; it
 * goes when its address is given out again. */
#ifndef CAULK_AGENT_AGENT_BESIDE_H
#define CAULK_AGENT_AGENT_BESIDE_H

#include "agent/agent_work.h"

enum { AGENT_FILTER_SIZE = 1 << 16 };

/* How many entries a block of this place may have; what has reached 255 stays there. */
extern uint8_t agent_beside_filter[AGENT_FILTER_SIZE];

/* Near blocks have near places: a program that uses few blocks uses few lines of the cache for them. */
static inline size_t agent_beside_place(const void *block) {
    return ((uintptr_t)block >> 4 ^ (uintptr_t)block >> 20) & (AGENT_FILTER_SIZE - 1);
}

static inline bool agent_beside_may_have(const void *block) {
    return AGENT_UNLIKELY(AGENT_READ(agent_beside_filter[agent_beside_place(block)]));
}

/* Makes the table, once. 0 or ENOMEM. */
int agent_beside_begin(void);

/* The countdown has passed below zero at a block of `size` bytes: it may be a sample. NULL is none. */
void agent_beside_born(void *block, size_t size);

/* The block is about to be freed, or was given out again. True if it was a sample; what it was. */
bool agent_beside_dies(void *block, struct wire_block *entry_out);

/* It was not freed after all. */
void agent_beside_lives(void *block, const struct wire_block *entry);

/* All entries die: what happened to them was not watched. */
void agent_beside_clear(void);

#endif
