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

/* Whether it is not known yet what lies in that block; finds out, for the last time if the block `ends`. */
bool agent_births_is_unsure(const void *block);
void agent_births_settle(bool ends);

#endif
