/* Recordings of several processes as one. */
#include "samples/samples.h"

#include "base/map.h"

struct merge {
    struct samples *out;
    struct map frames; /* hash of a frame's words -> index */
    struct map stacks; /* index of the leaf -> index */
    uint32_t *moved;   /* frames of the part at hand -> merged */
};

static uint64_t hash_frame(const struct samples_frame *frame) {
    uint64_t columns = (uint64_t)(uint32_t)frame->extent.column << 32 | (uint32_t)frame->extent.end_column;
    uint64_t numbers[] = {frame->parent, frame->kind, frame->line, frame->address, columns};
    uint64_t hash = span_hash((struct span){(const char *)numbers, sizeof numbers}, 0);
    return span_hash(frame->function, span_hash(frame->file, span_hash(frame->module, hash)));
}

/* The native id of a thread is its own process's. */
static bool same_frame(const struct samples_frame *a, const struct samples_frame *b) {
    return a->parent == b->parent && a->kind == b->kind && a->line == b->line && a->address == b->address &&
           source_extent_compare(a->extent, b->extent) == 0 && span_equal(a->file, b->file) && span_equal(a->function, b->function) &&
           span_equal(a->module, b->module);
}

static uint32_t merged_frame(struct merge *merge, struct samples_frame frame) {
    struct samples *out = merge->out;
    if (frame.kind == WIRE_THREAD)
        frame.line = 0;
    for (uint64_t key = hash_frame(&frame);; key++) {
        uint32_t index = map_find(&merge->frames, key);
        if (index == MAP_ABSENT) {
            map_set(&merge->frames, key, (uint32_t)out->frame_count);
            out->frames[out->frame_count] = frame;
            return (uint32_t)out->frame_count++;
        }
        if (same_frame(&out->frames[index], &frame))
            return index;
    }
}

static void merge_frames(struct merge *merge, const struct samples *part) {
    for (size_t i = 1; i < part->frame_count; i++) {
        struct samples_frame frame = part->frames[i];
        frame.parent = merge->moved[frame.parent];
        merge->moved[i] = merged_frame(merge, frame);
    }
}

static void add_stack(struct samples_stack *to, const struct samples_stack *from) {
    samples_amounts_add(&to->amounts, &from->amounts);
    to->samples_live += from->samples_live;
    to->samples += from->samples;
    for (unsigned i = 0; i < WIRE_COHORTS; i++)
        to->cohort_bytes[i] += from->cohort_bytes[i];
}

static void merge_stacks(struct merge *merge, const struct samples *part) {
    struct samples *out = merge->out;
    for (size_t i = 0; i < part->stack_count; i++) {
        uint32_t leaf = merge->moved[part->stacks[i].frame];
        uint32_t index = map_find(&merge->stacks, leaf);
        if (index == MAP_ABSENT) {
            index = (uint32_t)out->stack_count++;
            map_set(&merge->stacks, leaf, index);
            out->stacks[index].frame = leaf;
        }
        add_stack(&out->stacks[index], &part->stacks[i]);
    }
}

/* Peaks of several processes need not have been at one moment: their sum is an upper bound. */
static void add_head(struct wire_head *to, const struct wire_head *from) {
    to->live_bytes += from->live_bytes;
    to->live_count += from->live_count;
    to->peak_bytes += from->peak_bytes;
    to->peak_count += from->peak_count;
    to->total_bytes += from->total_bytes;
    to->total_count += from->total_count;
    to->samples += from->samples;
    to->samples_freed += from->samples_freed;
    to->agent_bytes += from->agent_bytes;
    to->reborn += from->reborn;
}

static void merge_part(struct merge *merge, const struct samples *part) {
    struct arena scratch = {0};
    merge->moved = arena_new(&scratch, uint32_t, part->frame_count);
    merge_frames(merge, part);
    merge_stacks(merge, part);
    merge->out->faults += part->faults;
    merge->out->exact = merge->out->exact && part->exact;
    arena_deinit(&scratch);
}

void samples_merge(const struct samples *const *parts, size_t count, struct arena *arena, struct samples *out) {
    size_t frames = 1, stacks = 0;
    for (size_t i = 0; i < count; i++) {
        frames += parts[i]->frame_count;
        stacks += parts[i]->stack_count;
    }
    *out = (struct samples){.exact = count > 0};
    if (count)
        out->head = parts[0]->head;
    for (size_t i = 1; i < count; i++)
        add_head(&out->head, &parts[i]->head);
    out->frames = arena_new(arena, struct samples_frame, frames);
    out->stacks = arena_new(arena, struct samples_stack, stacks + 1);
    out->frames[0].parent = SAMPLES_NONE;
    out->frame_count = 1;
    struct merge merge = {.out = out};
    for (size_t i = 0; i < count; i++)
        merge_part(&merge, parts[i]);
    map_deinit(&merge.frames);
    map_deinit(&merge.stacks);
}
