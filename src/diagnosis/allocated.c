/* The lines that made what grows. */
#include "diagnosis/allocated.h"

#include "base/source.h"
#include "diagnosis/native_places.h"

#include <stdlib.h>

enum { LINES_MOST = 5 };

static const double least_share = 0.005; /* lines below it are not worth a line */

struct weighing {
    const struct candidate *candidate;
    const struct sampling *sampling;
    bool *inside;   /* path node -> in the region */
    double *born;   /* path node -> bytes of its blocks that count */
    bool everything; /* nothing was born in the window: what was there before counts too */
};

uint32_t allocated_frame(const struct samples *samples, uint32_t stack) {
    uint32_t leaf = samples->stacks[stack].frame;
    for (uint32_t frame = leaf; frame < samples->frame_count; frame = samples->frames[frame].parent) {
        const struct samples_frame *at = &samples->frames[frame];
        if (at->kind == WIRE_PYTHON && at->line && at->file.length && !source_is_library(at->file))
            return frame;
    }
    return leaf < samples->frame_count ? samples_line_of(samples, leaf) : SAMPLES_NONE;
}

/* The path node that a block counts for; UINT32_MAX if it does not. What nobody holds and no list has is no node of
 * the graph if it was sampled: blocks that nothing points to are such. */
static uint32_t place_of(const struct weighing *weighing, size_t block) {
    const struct sampling *sampling = weighing->sampling;
    const struct candidate *candidate = weighing->candidate;
    node_id node = sampling->node_of_block[block];
    if (!weighing->everything && sampling->samples->blocks[block].born < sampling->window_begin)
        return UINT32_MAX;
    if (node == NODE_NONE || node >= candidate->graph->node_count)
        return candidate->source == CANDIDATE_NATIVE ? candidate->region.node : UINT32_MAX;
    uint32_t place = sampling->path_node_of[node];
    return place < candidate->comparison->tree->count && weighing->inside[place] ? place : UINT32_MAX;
}

static double bytes_of(const struct samples_block *block) {
    return block->weight * (double)block->size;
}

static double sum_born(struct weighing *weighing) {
    double sum = 0;
    for (size_t i = 0; i < weighing->sampling->samples->block_count; i++) {
        uint32_t place = place_of(weighing, i);
        if (place == UINT32_MAX)
            continue;
        weighing->born[place] += bytes_of(&weighing->sampling->samples->blocks[i]);
        sum += bytes_of(&weighing->sampling->samples->blocks[i]);
    }
    return sum;
}

/* Where things come and go, only as much of what was born counts as stayed. */
static double grown_part(const struct weighing *weighing, uint32_t place) {
    int64_t grown = weighing->candidate->comparison->bytes[place];
    if (grown <= 0)
        return 0;
    return (double)grown < weighing->born[place] ? (double)grown / weighing->born[place] : 1;
}

static int by_line(const void *a, const void *b) {
    const struct weighed_line *left = a, *right = b;
    return (left->frame > right->frame) - (left->frame < right->frame);
}

static int by_bytes(const void *a, const void *b) {
    const struct weighed_line *left = a, *right = b;
    if (left->bytes != right->bytes)
        return left->bytes < right->bytes ? 1 : -1;
    return by_line(a, b);
}

static bool same_line(const struct samples_frame *a, const struct samples_frame *b) {
    return a->line == b->line && span_equal(a->file, b->file) && span_equal(a->function, b->function);
}

static void add_weight(struct weighed_line *to, const struct weighed_line *from) {
    to->bytes += from->bytes;
    if (from->heaviest > to->heaviest) {
        to->heaviest = from->heaviest;
        to->stack = from->stack;
    }
}

static int by_stack(const void *a, const void *b) {
    const struct weighed_line *left = a, *right = b;
    return (left->stack > right->stack) - (left->stack < right->stack);
}

static size_t fold_stacks(struct weighed_line *lines, size_t count) {
    size_t kept = 0;
    qsort(lines, count, sizeof *lines, by_stack);
    for (size_t i = 0; i < count; i++) {
        if (kept && lines[kept - 1].stack == lines[i].stack)
            lines[kept - 1].bytes += lines[i].bytes;
        else
            lines[kept++] = lines[i];
        lines[kept - 1].heaviest = lines[kept - 1].bytes;
    }
    return kept;
}

static bool same_expression(const struct samples_frame *a, const struct samples_frame *b) {
    return source_extent_compare(a->extent, b->extent) == 0 && same_line(a, b);
}

/* Those that are the same become one with the first one's frame; few are distinct. */
static size_t fold(const struct samples *samples, bool (*same)(const struct samples_frame *, const struct samples_frame *),
                   struct weighed_line *lines, size_t count) {
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        size_t at = kept;
        for (size_t k = 0; k < kept && at == kept; k++)
            if (lines[k].frame == lines[i].frame ||
                same(&samples->frames[lines[k].frame], &samples->frames[lines[i].frame]))
                at = k;
        if (at < kept)
            add_weight(&lines[at], &lines[i]);
        else
            lines[kept++] = lines[i];
    }
    qsort(lines, kept, sizeof *lines, by_bytes);
    return kept;
}

/* Frames of one line under different callers become one, that of the line's heaviest expression. */
static size_t fold_lines(const struct samples *samples, struct weighed_line *lines, size_t count) {
    count = fold_stacks(lines, count);
    qsort(lines, count, sizeof *lines, by_line);
    count = fold(samples, same_expression, lines, count);
    return fold(samples, same_line, lines, count);
}

static size_t weigh(const struct weighing *weighing, bool scaled, struct weighed_line *lines, double *sum_out) {
    const struct samples *samples = weighing->sampling->samples;
    size_t count = 0;
    *sum_out = 0;
    for (size_t i = 0; i < samples->block_count; i++) {
        uint32_t place = place_of(weighing, i);
        uint32_t frame = place == UINT32_MAX || samples->blocks[i].stack >= samples->stack_count
                             ? SAMPLES_NONE
                             : allocated_frame(samples, samples->blocks[i].stack);
        if (frame == SAMPLES_NONE)
            continue;
        double bytes = bytes_of(&samples->blocks[i]) * (scaled ? grown_part(weighing, place) : 1);
        lines[count++] = (struct weighed_line){frame, samples->blocks[i].stack, bytes, bytes};
        *sum_out += bytes;
    }
    return count;
}

static const char *copy(struct span text, struct arena *arena) {
    return arena_copy_text(arena, text.data, text.length);
}

size_t allocated_lines(const struct samples *samples, struct weighed_line *lines, size_t count, size_t limit,
                       struct arena *arena, struct source_line **out) {
    double sum = 0;
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        sum += lines[i].bytes;
    count = fold_lines(samples, lines, count);
    *out = arena_new(arena, struct source_line, limit + 1);
    for (size_t i = 0; i < count && kept < limit && sum > 0 && lines[i].bytes > least_share * sum; i++) {
        const struct samples_frame *frame = &samples->frames[lines[i].frame];
        struct source_line *line = &(*out)[kept++];
        *line = (struct source_line){
            .file = copy(frame->file, arena),
            .function = copy(frame->function, arena),
            .line = (int32_t)frame->line,
            .extent = frame->extent,
            .share = lines[i].bytes / sum,
        };
        line->native_count = native_places(samples, samples->stacks[lines[i].stack].frame, arena, &line->native);
    }
    return kept;
}

static size_t lines_of_stacks(const struct samples *samples, const double *bytes, struct weighed_line *lines) {
    size_t count = 0;
    for (uint32_t i = 0; i < samples->stack_count; i++) {
        uint32_t frame = bytes[i] > 0 ? allocated_frame(samples, i) : SAMPLES_NONE;
        if (frame != SAMPLES_NONE)
            lines[count++] = (struct weighed_line){frame, i, bytes[i], bytes[i]};
    }
    return count;
}

/* The lines of stacks that weigh `bytes`; false if there are none. */
static bool fill_by_stack(const struct samples *samples, const double *bytes, struct arena *arena, struct finding *out) {
    struct arena scratch = {0};
    struct weighed_line *lines = arena_new(&scratch, struct weighed_line, samples->stack_count + 1);
    size_t count = lines_of_stacks(samples, bytes, lines);
    if (count)
        out->allocated_count = allocated_lines(samples, lines, count, LINES_MOST, arena, &out->allocated_at);
    arena_deinit(&scratch);
    return count > 0;
}

/* What came and went is as much a part of holes as what stayed, of which few samples are left: most of what was made. */
static void fill_made(const struct samples *samples, struct arena *arena, struct finding *out) {
    struct arena scratch = {0};
    double *bytes = arena_new(&scratch, double, samples->stack_count + 1);
    for (size_t i = 0; i < samples->stack_count; i++)
        bytes[i] = (double)samples->stacks[i].amounts.total_bytes;
    fill_by_stack(samples, bytes, arena, out);
    arena_deinit(&scratch);
}

void allocated_fill(const struct candidate *candidate, struct arena *arena, struct finding *out) {
    const struct sampling *sampling = candidate->evidence->sampling;
    if (sampling && candidate->source == CANDIDATE_HOLES)
        fill_made(sampling->samples, arena, out);
    if (!sampling || !sampling->samples->block_count || candidate->source == CANDIDATE_HOLES)
        return;
    struct arena scratch = {0};
    uint32_t places = candidate->comparison->tree->count;
    struct weighing weighing = {.candidate = candidate, .sampling = sampling};
    weighing.inside = arena_new(&scratch, bool, places + 1);
    weighing.born = arena_new(&scratch, double, places + 1);
    comparison_region(candidate->comparison, candidate->region, weighing.inside);
    if (candidate->region.extent == EXTENT_BELOW)
        weighing.inside[candidate->region.node] = true; /* its own table grows too */
    if (sum_born(&weighing) <= 0) {
        weighing.everything = true;
        sum_born(&weighing);
    }
    struct weighed_line *lines = arena_new(&scratch, struct weighed_line, sampling->samples->block_count);
    double sum;
    size_t count = weigh(&weighing, true, lines, &sum);
    if (sum <= 0)
        count = weigh(&weighing, false, lines, &sum);
    if (sum > 0)
        out->allocated_count =
            allocated_lines(sampling->samples, lines, count, LINES_MOST, arena, &out->allocated_at);
    arena_deinit(&scratch);
}

/* What each stack has of native memory: blocks of the range that are no object's, or what it has beside the range, where
 * malloc's blocks stay where malloc put them. */
static void sum_raw(const struct sampling *sampling, bool beside, double *bytes) {
    const struct samples *samples = sampling->samples;
    for (size_t i = 0; beside && i < samples->stack_count; i++)
        bytes[i] = (double)samples->stacks[i].amounts.live_bytes;
    for (size_t i = 0; i < samples->block_count; i++) {
        const struct samples_block *block = &samples->blocks[i];
        bool raw = sampling->node_of_block[i] == NODE_NONE && block->born >= sampling->window_begin;
        if (block->stack < samples->stack_count && (beside || raw))
            bytes[block->stack] += beside ? -bytes_of(block) : bytes_of(block);
    }
}

void allocated_fill_raw(const struct evidence *evidence, struct arena *arena, struct finding *out) {
    const struct sampling *sampling = evidence->sampling;
    if (!sampling || !(sampling->samples->head.flags & WIRE_NATIVE))
        return;
    const struct samples *samples = sampling->samples;
    struct arena scratch = {0};
    bool filled = false;
    for (int beside = 0; beside <= 1 && !filled; beside++) {
        double *bytes = arena_new(&scratch, double, samples->stack_count + 1);
        sum_raw(sampling, beside, bytes);
        filled = fill_by_stack(samples, bytes, arena, out);
    }
    arena_deinit(&scratch);
}
