/* A sampler without a Python: what asks for memory is a number that the test sets. */
#ifndef CAULK_TESTS_AGENT_WORLD_H
#define CAULK_TESTS_AGENT_WORLD_H

#include "agent/agent_work.h"

enum { WORLD_STACKS = 8 };

/* The stack that this thread's next allocation has. */
extern __thread uint32_t world_stack;

/* An empty recording and range, as after a start with this interval. What was there before is forgotten. */
void world_begin(uint64_t interval, uint64_t seed);

struct wire_stack *world_stack_at(uint32_t stack);

/* A number below `limit` from a generator of its own. */
uint64_t world_random(uint64_t limit);

#endif
