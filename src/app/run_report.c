/* Fills the report of a program that was run. */
#include "app/run_report.h"

#include "app/own_lines.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *text_of(struct span span, struct arena *arena) {
    return span.length ? arena_copy_text(arena, span.data, span.length) : NULL;
}

static int by_peak(const void *a, const void *b) {
    const struct run_line *left = a, *right = b;
    return samples_amounts_by_peak(&left->amounts, &right->amounts);
}

static void fill_lines(const struct samples *samples, struct native_lines *natives, struct arena *arena,
                       struct run_part *out) {
    size_t count;
    const struct samples_line *lines = samples_lines(samples, arena, &count);
    out->lines = arena_new(arena, struct run_line, count + 1);
    out->line_count = count;
    for (size_t i = 0; i < count; i++)
        out->lines[i] = (struct run_line){
            .file = text_of(lines[i].file, arena),
            .function = text_of(lines[i].function, arena),
            .line = lines[i].line,
            .extent = lines[i].extent,
            .amounts = lines[i].amounts,
            .samples = lines[i].samples_live,
        };
    qsort(out->lines, count, sizeof *out->lines, by_peak);
    out->own_lines = own_lines(samples, natives, arena, &out->own_line_count);
}

static uint64_t rounded(uint64_t estimate) {
    return (estimate + WIRE_ONE / 2) / WIRE_ONE;
}

static void fill_numbers(const struct samples *samples, struct run_part *out) {
    const struct wire_head *head = &samples->head;
    out->exact = samples->exact;
    out->native = head->flags & WIRE_NATIVE;
    out->interval = head->interval;
    out->samples = head->samples;
    out->amounts = (struct samples_amounts){
        .live_bytes = rounded(head->live_bytes),
        .live_count = rounded(head->live_count),
        .total_bytes = rounded(head->total_bytes),
        .total_count = rounded(head->total_count),
        .peak_bytes = rounded(head->peak_bytes),
        .peak_count = rounded(head->peak_count),
    };
    out->peak_seconds = (double)head->peak_time / 1e3;
    out->seconds = (double)head->now / 1e3;
}

/* sys.hexversion as a person writes it. */
static const char *version_text(uint32_t version, struct arena *arena) {
    if (!version)
        return NULL;
    return arena_format(arena, "%u.%u.%u", version >> 24, version >> 16 & 0xff, version >> 8 & 0xff);
}

static const char *why_no_verdict(const struct run_watch *watch, const struct run_process *process,
                                  struct arena *arena) {
    if (watch->every <= 0 && !process)
        return "no snapshots were taken (--watch)";
    size_t looks = process ? process->looks : 0;
    if (process && process->over && process->trouble[0])
        return arena_format(arena, "%zu snapshots, then: %s", looks, process->trouble);
    return arena_format(arena, "it takes %d snapshots, one every %g s; there %s %zu before the program ended", WATCH_LEAST,
                        watch->every, looks == 1 ? "was" : "were", looks);
}

static void fill_part(const struct recording *recording, const struct run_watch *watch, struct native_lines *natives,
                      struct arena *arena, struct run_part *out) {
    const struct wire_head *head = &recording->samples.head;
    *out = (struct run_part){.pid = recording->pid, .parent = head->parent};
    out->command = arena_copy_text(arena, head->command, strnlen(head->command, sizeof head->command));
    out->python = version_text(head->python, arena);
    fill_numbers(&recording->samples, out);
    fill_lines(&recording->samples, natives, arena, out);
    if (!watch)
        return;
    struct run_process *process = run_watch_find(watch, recording->pid);
    if (!process || !process->has_verdict) {
        out->no_verdict = why_no_verdict(watch, process, arena);
        return;
    }
    native_lines_of_verdict(natives, &process->verdict, &process->arena);
    out->verdict = &process->verdict;
}

/* Of processes side by side the peaks need not fall together: their sum is the most that there can have been. */
static void fill_together(const struct recordings *recordings, struct native_lines *natives, struct arena *arena,
                          struct run_report *out) {
    struct samples *all = arena_new(arena, struct samples, 1);
    recordings_merge(recordings, arena, all);
    struct run_part *part = &out->together;
    fill_numbers(all, part);
    fill_lines(all, natives, arena, part);
    if (recordings->count < 2)
        return;
    part->amounts = (struct samples_amounts){0};
    part->samples = 0;
    part->exact = true;
    for (size_t i = 0; i < out->part_count; i++) {
        const struct run_part *one = &out->parts[i];
        part->exact = part->exact && one->exact;
        samples_amounts_add(&part->amounts, &one->amounts);
        part->samples += one->samples;
    }
}

void run_report_fill(const struct recordings *recordings, const struct run_watch *watch, struct arena *arena,
                     struct run_report *out) {
    struct native_lines natives = {0};
    out->parts = arena_new(arena, struct run_part, recordings->count + 1);
    out->part_count = recordings->count;
    for (size_t i = 0; i < recordings->count; i++)
        fill_part(&recordings->list[i], watch, &natives, arena, &out->parts[i]);
    if (recordings->count)
        fill_together(recordings, &natives, arena, out);
    native_lines_deinit(&natives);
}
