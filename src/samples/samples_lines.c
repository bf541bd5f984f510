/* Samples folded by the line of source that allocated. */
#include "samples/samples.h"

#include <math.h>
#include <stdlib.h>

/* "<frozen importlib._bootstrap>", "<string>": no file that a person could open. */
static bool is_of_a_file(const struct samples_frame *frame) {
    return frame->file.length && frame->file.data[0] != '<';
}

uint32_t samples_line_of(const struct samples *samples, uint32_t frame) {
    uint32_t innermost = SAMPLES_NONE;
    for (; frame != SAMPLES_NONE && frame < samples->frame_count; frame = samples->frames[frame].parent) {
        if (samples->frames[frame].kind != WIRE_PYTHON)
            continue;
        if (is_of_a_file(&samples->frames[frame]))
            return frame;
        if (innermost == SAMPLES_NONE)
            innermost = frame;
    }
    return innermost;
}

static int compare_spans(struct span a, struct span b) {
    size_t shorter = a.length < b.length ? a.length : b.length;
    int order = shorter ? memcmp(a.data, b.data, shorter) : 0;
    return order ? order : (a.length > b.length) - (a.length < b.length);
}

/* One line is one place, whichever functions share it. */
static int by_place(const void *left, const void *right) {
    const struct samples_line *a = left, *b = right;
    int order = compare_spans(a->file, b->file);
    return order ? order : (a->line > b->line) - (a->line < b->line);
}

static int by_expression(const void *left, const void *right) {
    int order = by_place(left, right);
    return order ? order : source_extent_compare(((const struct samples_line *)left)->extent,
                                                 ((const struct samples_line *)right)->extent);
}

static int by_place_and_peak(const void *left, const void *right) {
    const struct samples_line *a = left, *b = right;
    int order = by_place(left, right);
    if (!order)
        order = samples_amounts_by_peak(&a->amounts, &b->amounts);
    return order ? order : source_extent_compare(a->extent, b->extent);
}

static int by_size(const void *left, const void *right) {
    const struct samples_line *a = left, *b = right;
    if (a->amounts.live_bytes != b->amounts.live_bytes)
        return a->amounts.live_bytes < b->amounts.live_bytes ? 1 : -1;
    if (a->amounts.total_bytes != b->amounts.total_bytes)
        return a->amounts.total_bytes < b->amounts.total_bytes ? 1 : -1;
    return by_place(left, right);
}

static void add_line(struct samples_line *to, const struct samples_line *from) {
    samples_amounts_add(&to->amounts, &from->amounts);
    to->samples_live += from->samples_live;
}

static struct samples_line line_of_stack(const struct samples *samples, const struct samples_stack *stack) {
    struct samples_line line = {.amounts = stack->amounts, .samples_live = stack->samples_live};
    uint32_t frame = samples_line_of(samples, stack->frame);
    if (frame != SAMPLES_NONE) {
        line.file = samples->frames[frame].file;
        line.function = samples->frames[frame].function;
        line.line = samples->frames[frame].line;
        line.extent = samples->frames[frame].extent;
    }
    return line;
}

/* Neighbours that are the same become one with the first one's name and extent; how many stay. */
static size_t fold(struct samples_line *lines, size_t count, int (*order)(const void *, const void *)) {
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (kept && order(&lines[kept - 1], &lines[i]) == 0)
            add_line(&lines[kept - 1], &lines[i]);
        else
            lines[kept++] = lines[i];
    }
    return kept;
}

struct samples_line *samples_lines(const struct samples *samples, struct arena *arena, size_t *count_out) {
    struct samples_line *lines = arena_new(arena, struct samples_line, samples->stack_count + 1);
    size_t count = samples->stack_count;
    for (size_t i = 0; i < count; i++)
        lines[i] = line_of_stack(samples, &samples->stacks[i]);
    qsort(lines, count, sizeof *lines, by_expression);
    count = fold(lines, count, by_expression);
    qsort(lines, count, sizeof *lines, by_place_and_peak);
    count = fold(lines, count, by_place);
    qsort(lines, count, sizeof *lines, by_size);
    *count_out = count;
    return lines;
}

/* Wilson and Hilferty's approximation of the exact (chi-squared) interval; within 3 % from three samples on. */
static double quantile(double count, double normal) {
    double root = 1 - 1 / (9 * count) + normal / (3 * sqrt(count));
    return count * root * root * root;
}

void samples_interval(uint64_t samples_live, double *low_out, double *high_out) {
    enum { NO_SAMPLE_HIGH = 4 }; /* -ln(0.025) = 3.7 samples may hide where none was seen */
    double count = (double)samples_live;
    *low_out = samples_live ? quantile(count, -1.96) / count : 0;
    *high_out = samples_live ? quantile(count + 1, 1.96) / count : NO_SAMPLE_HIGH;
    if (*low_out < 0)
        *low_out = 0;
}
