/* Spans: the reserved range is given out in runs of 64 KiB, and kept by length when they come back. */
#include "agent/agent_span.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SMALLEST_RANGE = 16 << 20, OPEN_STEP = 1 << 20, PAGE = 4096 };

/* Pages of free spans wait for the next one: a fault costs more than a clean page is worth. They take what the agent's
 * own memory leaves; one span may be as long as the longest block that malloc keeps in place of it (glibc's
 * malloc/malloc.c: DEFAULT_MMAP_THRESHOLD_MAX). */
#define IDLE_LIMIT_EVERY_BYTE ((size_t)16 << 20)
#define IDLE_LONGEST ((size_t)33 << 20)

_Static_assert(sizeof(struct agent_span) == sizeof(struct wire_span), "a span's head is as the recording says");

/* A half of what the process may still have: the program needs the rest. */
static size_t room_for_range(size_t size) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur / 8 < size)
        size = limit.rlim_cur / 8;
    return size & ~(AGENT_SPAN_SIZE - 1);
}

int agent_range_reserve(size_t size) {
    for (size = room_for_range(size); size >= SMALLEST_RANGE; size = size / 2 & ~(AGENT_SPAN_SIZE - 1)) {
        int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
        char *base = mmap(NULL, size + AGENT_SPAN_SIZE, PROT_NONE, flags, -1, 0);
        if (base == MAP_FAILED)
            continue;
        agent.range_base = ((uintptr_t)base + AGENT_SPAN_SIZE - 1) & ~(AGENT_SPAN_SIZE - 1);
        __atomic_store_n(&agent.range_size, size, __ATOMIC_RELEASE);
        return 0;
    }
    return ENOMEM;
}

void agent_range_fit(void) {
    size_t room = room_for_range(agent.range_size), keep = room > agent.range_open ? room : agent.range_open;
    if (keep >= agent.range_size)
        return;
    size_t surplus = agent.range_size - keep;
    AGENT_WRITE(agent.range_size, keep);
    if (agent_recording && !agent.forked)
        agent_recording->range_size = keep;
    syscall(SYS_munmap, agent.range_base + keep, surplus);
}

/* Four lengths per doubling, in spans: 1 2 3 4 5 6 7 8 10 12 14 16 20 ... */
static unsigned length_class(size_t spans, size_t *rounded_out) {
    if (spans <= 8) {
        *rounded_out = spans;
        return (unsigned)spans;
    }
    unsigned top = 63 - (unsigned)__builtin_clzll(spans - 1);
    size_t step = (size_t)1 << (top - 2);
    *rounded_out = (spans + step - 1) & ~(step - 1);
    return 9 + (top - 3) * 4 + (unsigned)((*rounded_out >> (top - 2)) - 5);
}

static bool open_to(size_t end) {
    if (end <= agent.range_open)
        return true;
    agent_range_fit();
    if (end > agent.range_size)
        return false;
    size_t step = OPEN_STEP + (agent.range_open / 8 & ~(size_t)(OPEN_STEP - 1));
    size_t open = end + step < agent.range_size ? end + step : agent.range_size;
    char *from = (char *)agent.range_base + agent.range_open;
    if (mprotect(from, open - agent.range_open, PROT_READ | PROT_WRITE)) {
        open = end;
        if (mprotect(from, open - agent.range_open, PROT_READ | PROT_WRITE))
            return false;
    }
    agent.range_open = open;
    return true;
}

struct agent_span *agent_spans_take(size_t length, bool *zeroed_out) {
    size_t spans;
    unsigned class = length_class((length + AGENT_SPAN_SIZE - 1) / AGENT_SPAN_SIZE, &spans);
    struct agent_span *span = class < AGENT_LENGTH_CLASSES ? agent.free_spans[class] : NULL;
    if (span) {
        agent.free_spans[class] = span->next;
        *zeroed_out = span->class == SPAN_CLEAN;
        agent.idle -= *zeroed_out ? 0 : span->length;
        span->next = NULL;
        return span;
    }
    length = spans * AGENT_SPAN_SIZE;
    if (class >= AGENT_LENGTH_CLASSES || length > agent.range_size - agent.range_used ||
        !open_to(agent.range_used + length))
        return NULL;
    span = (struct agent_span *)(agent.range_base + agent.range_used);
    agent.range_used += length;
    span->magic = WIRE_SPAN_MAGIC;
    span->length = length;
    if (agent_recording)
        agent_recording->range_used = agent.range_used;
    *zeroed_out = true;
    return span;
}

static size_t idle_limit(void) {
    uint64_t used = agent_bytes();
    if (agent.every_byte)
        return IDLE_LIMIT_EVERY_BYTE;
    return used < agent.options.memory ? (size_t)(agent.options.memory - used) : 0;
}

/* The head stays, so that a walk finds the next span. */
static void clean(struct agent_span *span) {
    madvise((char *)span + PAGE, span->length - PAGE, MADV_DONTNEED);
    memset(span + 1, 0, PAGE - sizeof *span);
    span->class = SPAN_CLEAN;
}

/* Spans come back in front, so those that are not clean stand before those that are. */
static void clean_all(void) {
    for (unsigned class = 0; class < AGENT_LENGTH_CLASSES; class++)
        for (struct agent_span *span = agent.free_spans[class]; span && span->class == SPAN_DIRTY; span = span->next) {
            agent.idle -= span->length;
            clean(span);
        }
}

void agent_spans_release(struct agent_span *span) {
    size_t spans, limit = idle_limit();
    unsigned class = length_class(span->length / AGENT_SPAN_SIZE, &spans);
    span->block_size = span->count = 0;
    if (agent.idle + span->length > limit)
        clean_all();
    if (span->length > limit && span->length > IDLE_LONGEST) {
        clean(span);
    } else {
        agent.idle += span->length;
        span->class = SPAN_DIRTY;
    }
    span->next = agent.free_spans[class];
    agent.free_spans[class] = span;
}
