/* Births from CPython's free lists, as samples. See agent_births.c. With the GIL. */
#ifndef CAULK_AGENT_AGENT_BIRTHS_H
#define CAULK_AGENT_AGENT_BIRTHS_H

#include "agent/agent_lists.h"

/* False if this Python's free lists are not known, or it has none. */
bool agent_births_begin(void);
void agent_births_end(void);

/* `pushed` has gone onto the list, and was drawn as a sample. */
void agent_births_draw(struct agent_list *list, const void *pushed, uint64_t interval);

/* What serves an allocation that was drawn, and is a birth that is waited for; else NULL. */
void *agent_births_claim(size_t size);

/* The block is about to be freed or resized: what lay in it is found out now, if it was not known yet. */
void agent_births_block_ends(const void *block);

#endif
