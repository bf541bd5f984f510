/* Live blocks of the sampler's reserved range, by address. */
#include "samples/samples.h"

#include <math.h>
#include <string.h>

struct range {
    const char *bytes;
    size_t length;
    struct samples *samples;
    struct samples_block *blocks; /* NULL while they are only counted */
    size_t count;
};

/* The chance that a block was sampled is 1 - exp(-(size + 1) / interval). */
static double weight_of(uint64_t size, uint64_t interval) {
    return interval <= 1 ? 1 : -1 / expm1(-((double)size + 1) / (double)interval);
}

static void add_block(struct range *range, uint64_t at, uint64_t room, const struct wire_block *block) {
    if (!block->stack)
        return;
    if (block->stack >= range->samples->stack_count || block->size > room) {
        range->samples->faults += range->blocks != NULL;
        return;
    }
    if (range->blocks)
        range->blocks[range->count] = (struct samples_block){
            .address = range->samples->head.range_base + at,
            .size = block->size,
            .stack = block->stack,
            .born = block->born,
            .weight = weight_of(block->size, block->interval),
        };
    range->count++;
}

/* False if the head makes no sense: the walk goes on at the next place where a span can begin. */
static bool span_is_sane(const struct range *range, const struct wire_span *span, uint64_t at) {
    uint64_t span_size = range->samples->head.span_size;
    uint64_t table = sizeof *span + (uint64_t)span->count * sizeof(struct wire_block);
    if (span->magic != WIRE_SPAN_MAGIC || span->length == 0 || span->length % span_size || !span->count ||
        span->first < table || span->first > span->length || table > range->length - at)
        return false;
    return span->block_size ? span->count <= (span->length - span->first) / span->block_size : span->count == 1;
}

/* The next span begins where this one ends. */
static uint64_t walk_span(struct range *range, uint64_t at) {
    struct wire_span span;
    memcpy(&span, range->bytes + at, sizeof span);
    if (!span_is_sane(range, &span, at)) {
        range->samples->faults += range->blocks && span.magic != 0;
        return at + range->samples->head.span_size;
    }
    for (uint32_t i = 0; i < span.count; i++) {
        struct wire_block block;
        memcpy(&block, range->bytes + at + sizeof span + i * sizeof block, sizeof block);
        uint64_t room = span.block_size ? span.block_size : span.length - span.first;
        add_block(range, at + span.first + (uint64_t)i * span.block_size, room, &block);
    }
    return at + span.length;
}

static void walk_spans(struct range *range) {
    range->count = 0;
    for (uint64_t at = 0; at + sizeof(struct wire_span) <= range->length;) {
        uint64_t next = walk_span(range, at);
        if (next <= at)
            break;
        at = next;
    }
}

void samples_add_spans(struct samples *samples, const void *bytes, size_t length, struct arena *arena) {
    struct range range = {.bytes = bytes, .length = length, .samples = samples};
    samples->blocks = NULL;
    samples->block_count = 0;
    if (samples->head.span_size < sizeof(struct wire_span))
        return;
    walk_spans(&range);
    range.blocks = samples->blocks = arena_new(arena, struct samples_block, range.count + 1);
    walk_spans(&range);
    samples->block_count = range.count;
}

const struct samples_block *samples_find(const struct samples *samples, uint64_t address) {
    size_t low = 0, high = samples->block_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (samples->blocks[middle].address <= address)
            low = middle + 1;
        else
            high = middle;
    }
    const struct samples_block *block = low ? &samples->blocks[low - 1] : NULL;
    return block && address - block->address < (block->size ? block->size : 1) ? block : NULL;
}
