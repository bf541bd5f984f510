/* Walks the sampler's spans in the image of a process. */
#include "blocks/sampled.h"

#include "wire/wire.h"

#include <string.h>

enum { LEAST = 16 /* bytes, of an object */ };

_Static_assert(SAMPLED_SPAN == WIRE_SPAN_SIZE, "spans as they are written");

struct walk {
    const struct image *image;
    sampled_visit visit;
    void *context;
};

/* What lies in the image of `[address, address + size)` without a gap. */
static bool is_whole(const struct image *image, remote_address address, uint64_t size) {
    return size && image_view(image, address, size);
}

static bool is_span(const struct wire_span *span) {
    uint64_t table = sizeof *span + (uint64_t)span->count * sizeof(struct wire_block);
    if (span->magic != WIRE_SPAN_MAGIC || !span->length || span->length % WIRE_SPAN_SIZE || !span->count)
        return false;
    if (span->first < table || span->first > span->length)
        return false;
    return span->block_size ? span->count <= (span->length - span->first) / span->block_size : span->count == 1;
}

static void visit_block(const struct walk *walk, remote_address begin, const struct wire_block *block, uint64_t room) {
    if (block->stack && block->size >= LEAST && block->size <= room && is_whole(walk->image, begin, block->size))
        walk->visit(walk->context, begin, image_locate(walk->image, begin), block->size);
}

static void visit_span(const struct walk *walk, remote_address begin) {
    struct wire_span span;
    const char *head = image_view(walk->image, begin, sizeof span);
    if (!head)
        return;
    memcpy(&span, head, sizeof span);
    if (!is_span(&span) || !is_whole(walk->image, begin, sizeof span + span.count * sizeof(struct wire_block)))
        return;
    for (uint32_t i = 0; i < span.count; i++) {
        struct wire_block block;
        memcpy(&block, head + sizeof span + i * sizeof block, sizeof block);
        uint64_t room = span.block_size ? span.block_size : span.length - span.first;
        visit_block(walk, begin + span.first + (uint64_t)i * span.block_size, &block, room);
    }
}

void sampled_each_used(const struct image *image, sampled_visit visit, void *context) {
    struct walk walk = {image, visit, context};
    for (size_t i = 0; i < image->run_count; i++) {
        uint32_t flags = image->runs[i].segment->flags;
        if (!(flags & SEGMENT_WRITE) || flags & SEGMENT_FILE)
            continue;
        remote_address begin = (image->runs[i].begin + WIRE_SPAN_SIZE - 1) & ~(remote_address)(WIRE_SPAN_SIZE - 1);
        for (; begin < image->runs[i].end; begin += WIRE_SPAN_SIZE)
            visit_span(&walk, begin);
    }
}
