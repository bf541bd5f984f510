/* A span as the agent itself sees it: struct wire_span with the writer's own words named. */
#ifndef CAULK_AGENT_AGENT_SPAN_H
#define CAULK_AGENT_AGENT_SPAN_H

#include "agent/agent_work.h"

/* Of free spans, in `class`: whether all behind the head is zero. */
enum { SPAN_DIRTY, SPAN_CLEAN };

struct agent_span {
    uint32_t magic, block_size, count, first;
    uint64_t length;
    struct agent_span *next, *previous; /* spans of this class with room; free spans of this length */
    void *free;                         /* blocks that came back, a list through their first words */
    uint32_t fresh, used;               /* blocks from `fresh` on were never given out */
    uint32_t class, reciprocal;         /* 2^32 / block_size, rounded up */
};

static inline struct wire_block *agent_span_entries(struct agent_span *span) {
    return (struct wire_block *)(span + 1);
}

#endif
