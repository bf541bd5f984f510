/* What was allocated, by line of the user's own code, and the text of these lines. */
#include "app/own_lines.h"

#include "app/own_extents.h"
#include "app/own_native.h"
#include "base/map.h"
#include "base/source.h"
#include "diagnosis/allocated.h"
#include "report/words.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TEXT_MOST = 16 << 20 };

struct folding {
    const struct samples *samples;
    struct arena *arena;
    struct map index; /* hash of file and line -> its place in `lines` */
    struct run_line *lines;
    size_t count;
};

static bool is_line(const struct run_line *line, const struct samples_frame *frame) {
    return line->line == frame->line && span_is(frame->file, line->file) && span_is(frame->function, line->function);
}

static struct run_line *line_of(struct folding *folding, uint32_t number) {
    static const struct samples_frame nowhere = {0};
    const struct samples_frame *frame = number == SAMPLES_NONE ? &nowhere : &folding->samples->frames[number];
    uint64_t key = span_hash(frame->file, frame->line) ^ span_hash(frame->function, 1);
    for (;; key = key * 0x9e3779b97f4a7c15u + 1) {
        uint32_t place = map_find(&folding->index, key);
        if (place != MAP_ABSENT && is_line(&folding->lines[place], frame))
            return &folding->lines[place];
        if (place != MAP_ABSENT)
            continue;
        map_set(&folding->index, key, (uint32_t)folding->count);
        struct run_line *line = &folding->lines[folding->count++];
        line->file = arena_copy_text(folding->arena, frame->file.data, frame->file.length);
        line->function = arena_copy_text(folding->arena, frame->function.data, frame->function.length);
        line->line = frame->line;
        return line;
    }
}

static int by_peak(const void *a, const void *b) {
    const struct run_line *left = a, *right = b;
    return samples_amounts_by_peak(&left->amounts, &right->amounts);
}

struct run_line *own_lines(const struct samples *samples, struct native_lines *natives, struct arena *arena,
                           size_t *count_out) {
    struct folding folding = {.samples = samples, .arena = arena};
    struct native_folding chains = {.samples = samples, .lines = natives, .arena = arena};
    struct extent_folding extents = {0};
    folding.lines = arena_new(arena, struct run_line, samples->stack_count + 1);
    for (uint32_t i = 0; i < samples->stack_count; i++) {
        const struct samples_stack *stack = &samples->stacks[i];
        if (samples_amounts_are_zero(&stack->amounts))
            continue;
        uint32_t frame = allocated_frame(samples, i);
        struct run_line *line = line_of(&folding, frame);
        if (frame != SAMPLES_NONE)
            extent_folding_add(&extents, (uint32_t)(line - folding.lines), samples->frames[frame].extent, &stack->amounts);
        samples_amounts_add(&line->amounts, &stack->amounts);
        line->samples += stack->samples;
        native_folding_add(&chains, (uint32_t)(line - folding.lines), stack);
    }
    native_folding_end(&chains, folding.lines);
    extent_folding_end(&extents, folding.lines);
    map_deinit(&folding.index);
    qsort(folding.lines, folding.count, sizeof *folding.lines, by_peak);
    *count_out = folding.count;
    return folding.lines;
}

/* --- with their text --- */

/* The file as one text; NULL if it cannot be read. */
static char *read_text(const char *path, struct arena *arena, size_t *length_out) {
    struct stat status;
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    bool good = file >= 0 && fstat(file, &status) == 0 && S_ISREG(status.st_mode) && status.st_size <= TEXT_MOST;
    char *text = good ? arena_allocate(arena, 1, (size_t)status.st_size + 1) : NULL;
    ssize_t length = text ? read(file, text, (size_t)status.st_size) : -1;
    if (file >= 0)
        close(file);
    *length_out = length > 0 ? (size_t)length : 0;
    return length >= 0 ? text : NULL;
}

static int by_line(const void *a, const void *b) {
    const struct source_view_line *left = a, *right = b;
    return (left->line > right->line) - (left->line < right->line);
}

/* Lines come with most bytes at the peak first. */
static void add_numbers(struct source_view_line *out, const struct run_line *line) {
    samples_amounts_add(&out->amounts, &line->amounts);
    if (!out->extent.end_line)
        out->extent = line->extent;
    out->expressions += line->expressions;
    if (!out->native_count) {
        out->native = line->native;
        out->native_count = line->native_count;
    }
}

/* Tabs are eight columns. */
static char *expand(struct span text, struct arena *arena) {
    size_t tabs = 0;
    for (size_t i = 0; i < text.length; i++)
        tabs += text.data[i] == '\t';
    char *copy = arena_allocate(arena, 1, text.length + tabs * 7 + 1), *to = copy;
    for (size_t i = 0; i < text.length; i++)
        if (text.data[i] == '\t')
            do
                *to++ = ' ';
            while ((to - copy) % 8);
        else if (text.data[i] != '\r')
            *to++ = text.data[i];
    return copy;
}

/* Every line of the text has a row. */
static void split_text(const char *text, size_t length, struct arena *arena, struct source_view *out) {
    size_t count = 1, row = 0;
    for (size_t i = 0; i < length; i++)
        count += text[i] == '\n';
    out->lines = arena_new(arena, struct source_view_line, count);
    for (size_t at = 0; at < length; row++) {
        const char *end = memchr(text + at, '\n', length - at);
        struct span source = {text + at, end ? (size_t)(end - text) - at : length - at};
        out->lines[row] = (struct source_view_line){.line = (uint32_t)row + 1, .text = expand(source, arena), .source = source};
        at += source.length + 1;
    }
    out->line_count = row;
}

/* Lines that the text does not have: it is missing, or was changed since. */
static void add_line(struct source_view *view, const struct run_line *line, size_t text_lines) {
    samples_amounts_add(&view->amounts, &line->amounts);
    if (line->line && line->line <= text_lines) {
        add_numbers(&view->lines[line->line - 1], line);
        return;
    }
    for (size_t i = text_lines; i < view->line_count; i++)
        if (view->lines[i].line == line->line) {
            add_numbers(&view->lines[i], line);
            return;
        }
    view->lines[view->line_count] = (struct source_view_line){.line = line->line};
    add_numbers(&view->lines[view->line_count++], line);
}

static size_t shown_width(struct span source, int32_t bytes, struct arena *arena) {
    return words_width(expand((struct span){source.data, (size_t)bytes}, arena));
}

/* Not if the text was changed since, so that it ends before the expression does. */
static void mark_expression(struct source_view_line *line, struct arena *arena) {
    struct source_extent extent = line->extent;
    if (line->expressions < 2 || extent.end_line != line->line || (size_t)extent.end_column > line->source.length)
        return;
    line->mark = shown_width(line->source, extent.column, arena);
    line->mark_width = shown_width(line->source, extent.end_column, arena) - line->mark;
}

static void fill_view(const char *file, const struct run_line *lines, size_t count, struct arena *arena,
                      struct source_view *out) {
    size_t length, extra = 0;
    char *text = read_text(file, arena, &length);
    out->file = file;
    if (text)
        split_text(text, length, arena, out);
    else
        out->trouble = "its text cannot be read here";
    for (size_t i = 0; i < count; i++)
        extra += strcmp(lines[i].file, file) == 0;
    size_t text_lines = out->line_count;
    struct source_view_line *all = arena_new(arena, struct source_view_line, text_lines + extra);
    if (text_lines)
        memcpy(all, out->lines, text_lines * sizeof *all);
    out->lines = all;
    for (size_t i = 0; i < count; i++)
        if (strcmp(lines[i].file, file) == 0)
            add_line(out, &lines[i], text_lines);
    for (size_t i = 0; i < out->line_count; i++)
        mark_expression(&out->lines[i], arena);
    qsort(out->lines, out->line_count, sizeof *out->lines, by_line);
}

static bool is_known(const struct source_view *views, size_t count, const char *file) {
    for (size_t i = 0; i < count; i++)
        if (strcmp(views[i].file, file) == 0)
            return true;
    return false;
}

static int by_total(const void *a, const void *b) {
    const struct source_view *left = a, *right = b;
    return (left->amounts.total_bytes < right->amounts.total_bytes) - (left->amounts.total_bytes > right->amounts.total_bytes);
}

static bool is_own_file(const struct run_line *line) {
    return *line->file && !source_is_library(span_from_text(line->file));
}

static void bring_first(struct source_view *views, size_t count, const char *first) {
    for (size_t i = 1; i < count; i++)
        if (first && strcmp(views[i].file, first) == 0) {
            struct source_view kept = views[i];
            memmove(views + 1, views, i * sizeof *views);
            views[0] = kept;
        }
}

struct source_view *own_views(const struct samples *samples, const char *first, struct arena *arena, size_t *count_out) {
    size_t count, found = 0, own = 0;
    struct native_lines natives = {0};
    const struct run_line *lines = own_lines(samples, &natives, arena, &count);
    native_lines_deinit(&natives);
    struct source_view *views = arena_new(arena, struct source_view, count + 1);
    for (size_t i = 0; i < count; i++)
        own += is_own_file(&lines[i]);
    for (size_t i = 0; i < count; i++) {
        if (!*lines[i].file || (own && !is_own_file(&lines[i])) || is_known(views, found, lines[i].file))
            continue;
        views[found].exact = samples->exact;
        fill_view(lines[i].file, lines, count, arena, &views[found++]);
    }
    qsort(views, found, sizeof *views, by_total);
    bring_first(views, found, first);
    *count_out = found;
    return views;
}
