/* Blocks of the range: small ones by size class with a free list per span, large ones with a span each. */
#include "agent/agent_span.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

enum {
    SMALL_LIMIT = 8192,
    SMALL_ALIGNMENT = 64, /* of the first block of a span */
    PAGE = 4096,
    MOVE_LIMIT = 128 << 10, /* larger blocks move by their pages */
};

static unsigned class_of(size_t size) {
    if (size <= 512)
        return size ? (unsigned)((size - 1) >> 4) : 0;
    unsigned top = 63 - (unsigned)__builtin_clzll(size - 1);
    return 32 + (top - 9) * 4 + (unsigned)((size - 1) >> (top - 2)) - 4;
}

static uint32_t class_size(unsigned class) {
    if (class < 32)
        return (class + 1) * 16;
    unsigned top = 9 + (class - 32) / 4;
    return ((class - 32) % 4 + 5) << (top - 2);
}

static struct agent_span *span_of(const void *block) {
    /* A block of a large alignment may begin right behind the first 64 KiB; none begins with its span. */
    return (struct agent_span *)(((uintptr_t)block - 1) & ~(AGENT_SPAN_SIZE - 1));
}

static void list_push(struct agent_span *span) {
    struct agent_span *first = agent.with_room[span->class];
    span->previous = NULL;
    span->next = first;
    if (first)
        first->previous = span;
    agent.with_room[span->class] = span;
}

static void list_remove(struct agent_span *span) {
    if (span->previous)
        span->previous->next = span->next;
    else
        agent.with_room[span->class] = span->next;
    if (span->next)
        span->next->previous = span->previous;
    span->next = span->previous = NULL;
}

static struct agent_span *span_make(unsigned class) {
    bool zeroed;
    struct agent_span *span = agent_spans_take(AGENT_SPAN_SIZE, &zeroed);
    if (!span)
        return NULL;
    uint32_t size = class_size(class);
    uint32_t entry = sizeof(struct wire_block) + 1;
    uint32_t count = (uint32_t)((AGENT_SPAN_SIZE - sizeof *span - SMALL_ALIGNMENT) / (size + entry));
    uint32_t table = (uint32_t)sizeof *span + count * entry;
    if (!zeroed)
        memset(span + 1, 0, table - sizeof *span);
    span->first = (table + SMALL_ALIGNMENT - 1) & ~(uint32_t)(SMALL_ALIGNMENT - 1);
    span->class = class;
    span->free = NULL;
    span->fresh = span->used = 0;
    span->reciprocal = (uint32_t)((((uint64_t)1 << 32) + size - 1) / size);
    span->block_size = size;
    span->count = count;
    agent.overhead += span->first;
    list_push(span);
    return span;
}

static uint32_t index_of(const struct agent_span *span, const void *block) {
    uint64_t offset = (uint64_t)((const char *)block - (const char *)span) - span->first;
    return (uint32_t)(offset * span->reciprocal >> 32);
}

/* Behind the entries: a byte for each block, whether an object has begun in it. */
static uint8_t *marks_of(struct agent_span *span) {
    return (uint8_t *)(agent_span_entries(span) + span->count);
}

static void *allocate_small(unsigned class, bool zeroed, struct wire_block **entry_out) {
    struct agent_span *span = agent.with_room[class];
    if (AGENT_UNLIKELY(!span) && !(span = span_make(class)))
        return NULL;
    char *block = span->free;
    uint32_t index;
    if (block) {
        memcpy(&span->free, block, sizeof span->free);
        index = index_of(span, block);
    } else {
        index = span->fresh++;
        block = (char *)span + span->first + (size_t)index * span->block_size;
    }
    if (++span->used == span->count)
        list_remove(span);
    if (zeroed)
        memset(block, 0, span->block_size);
    *entry_out = agent_span_entries(span) + index;
    marks_of(span)[index] = 0;
    return block;
}

static void *allocate_large(size_t size, size_t alignment, bool zeroed, struct wire_block **entry_out) {
    size_t first = (sizeof(struct agent_span) + sizeof(struct wire_block) + 1 + alignment - 1) & ~(alignment - 1);
    bool clean;
    if (alignment > AGENT_SPAN_SIZE || size > agent.range_size)
        return NULL;
    struct agent_span *span = agent_spans_take(first + size, &clean);
    if (!span)
        return NULL;
    char *block = (char *)span + first;
    memset(span + 1, 0, sizeof(struct wire_block) + 1);
    if (zeroed && !clean)
        memset(block, 0, size);
    span->first = (uint32_t)first;
    span->used = 1;
    span->block_size = 0;
    span->count = 1;
    agent.overhead += first;
    *entry_out = agent_span_entries(span);
    return block;
}

void *agent_range_allocate(size_t size, size_t alignment, bool zeroed, struct wire_block **entry_out) {
    if (AGENT_UNLIKELY(alignment > AGENT_ALIGNMENT) && alignment <= SMALL_ALIGNMENT)
        size = size <= SMALL_LIMIT ? (size + alignment - 1) & ~(alignment - 1) : size;
    if (AGENT_LIKELY(size <= SMALL_LIMIT && alignment <= SMALL_ALIGNMENT))
        return allocate_small(class_of(size), zeroed, entry_out);
    return allocate_large(size, alignment < AGENT_ALIGNMENT ? AGENT_ALIGNMENT : alignment, zeroed, entry_out);
}

static bool begins_block(const struct agent_span *span, const void *block) {
    uintptr_t begin = (uintptr_t)block;
    if (begin - agent.range_base >= agent.range_used || span->magic != WIRE_SPAN_MAGIC || !span->count)
        return false;
    size_t offset = begin - (uintptr_t)span;
    if (!span->block_size)
        return offset == span->first;
    uint32_t index = index_of(span, block);
    return offset >= span->first && index < span->fresh && (size_t)index * span->block_size + span->first == offset;
}

struct wire_block *agent_range_entry(void *block) {
    struct agent_span *span = span_of(block);
    if (!begins_block(span, block))
        return NULL;
    return agent_span_entries(span) + (span->block_size ? index_of(span, block) : 0);
}

struct wire_block *agent_range_holding(void *object, uint8_t **mark_out) {
    struct agent_span *span = span_of(object);
    if (span->magic != WIRE_SPAN_MAGIC || !span->count || (uintptr_t)object < (uintptr_t)span + span->first)
        return NULL;
    uint32_t index = span->block_size ? index_of(span, object) : 0;
    *mark_out = marks_of(span) + index;
    return index < span->count ? agent_span_entries(span) + index : NULL;
}

size_t agent_range_usable(void *block) {
    struct agent_span *span = span_of(block);
    return span->block_size ? span->block_size : span->length - span->first;
}

/* The pages themselves go to a longer span: nothing is copied, and the old span is left empty. */
static void *move_pages(struct agent_span *span, size_t old, size_t size) {
    bool clean;
    size_t first = span->first, moved = (first + old + PAGE - 1) & ~(size_t)(PAGE - 1), length = span->length;
    struct agent_span *to = agent_spans_take(first + size, &clean);
    if (!to)
        return NULL;
    size_t new_length = to->length;
    int known = errno, flags = MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP;
    if (mremap(span, moved, moved, flags, to) == MAP_FAILED) {
        errno = known;
        agent_spans_release(to);
        return NULL;
    }
    to->length = new_length;
    *span = (struct agent_span){.magic = WIRE_SPAN_MAGIC, .length = length};
    agent_spans_release(span);
    return (char *)to + first;
}

static void *resize_large(struct agent_span *span, void *block, size_t old, size_t size) {
    size_t room = span->length - span->first;
    if (size > room)
        return old >= MOVE_LIMIT ? move_pages(span, old, size) : NULL;
    if (size <= SMALL_LIMIT || size < room / 4)
        return NULL;
    uintptr_t tail = ((uintptr_t)block + size + PAGE - 1) & ~(uintptr_t)(PAGE - 1);
    if ((uintptr_t)block + old > tail + MOVE_LIMIT)
        madvise((void *)tail, (uintptr_t)span + span->length - tail, MADV_DONTNEED);
    return block;
}

void *agent_range_resize(void *block, size_t old, size_t size) {
    struct agent_span *span = span_of(block);
    if (!span->block_size)
        return resize_large(span, block, old, size);
    return size <= SMALL_LIMIT && class_of(size) == span->class ? block : NULL;
}

static void free_small(struct agent_span *span, void *block) {
    memcpy(block, &span->free, sizeof span->free);
    span->free = block;
    if (span->used-- == span->count)
        list_push(span);
    else if (span->used == 0 && (span->next || span->previous)) {
        list_remove(span);
        agent.overhead -= span->first;
        agent_spans_release(span);
    }
}

void agent_range_free(void *block) {
    struct agent_span *span = span_of(block);
    if (span->block_size) {
        agent_span_entries(span)[index_of(span, block)].stack = 0;
        free_small(span, block);
    } else {
        agent_span_entries(span)->stack = 0;
        agent.overhead -= span->first;
        agent_spans_release(span);
    }
}

void agent_range_walk(void (*each)(const struct wire_block *entry)) {
    for (size_t at = 0; at < agent.range_used;) {
        struct agent_span *span = (struct agent_span *)(agent.range_base + at);
        const struct wire_block *entries = agent_span_entries(span);
        for (uint32_t i = 0; i < span->count; i++)
            if (entries[i].stack)
                each(&entries[i]);
        at += span->length;
    }
}
