/* What a program allocated, for programs: schemas caulk.run/1 and caulk.lines/1. */
#include "report/extent.h"
#include "report/json.h"
#include "report/native.h"
#include "report/run.h"
#include "report/verdict_json.h"

static void write_amounts(struct json *json, const struct samples_amounts *amounts) {
    json_unsigned(json, "peak_bytes", amounts->peak_bytes);
    json_unsigned(json, "peak_count", amounts->peak_count);
    json_unsigned(json, "live_bytes", amounts->live_bytes);
    json_unsigned(json, "live_count", amounts->live_count);
    json_unsigned(json, "total_bytes", amounts->total_bytes);
    json_unsigned(json, "total_count", amounts->total_count);
}

static void write_native(struct json *json, const struct run_native *native, size_t count) {
    json_begin_array(json, "native");
    for (size_t i = 0; i < count; i++) {
        json_begin_object(json, NULL);
        native_write(json, "frames", native[i].places, native[i].place_count);
        write_amounts(json, &native[i].amounts);
        json_end_object(json);
    }
    json_end_array(json);
}

static void write_line(struct json *json, const struct run_line *line) {
    json_begin_object(json, NULL);
    json_text(json, "file", line->file);
    json_unsigned(json, "line", line->line);
    extent_write(json, line->extent);
    json_text(json, "function", line->function);
    write_amounts(json, &line->amounts);
    json_unsigned(json, "samples", line->samples);
    if (line->native_count)
        write_native(json, line->native, line->native_count);
    json_end_object(json);
}

static void write_lines(struct json *json, const char *key, const struct run_line *lines, size_t count) {
    json_begin_array(json, key);
    for (size_t i = 0; i < count; i++)
        write_line(json, &lines[i]);
    json_end_array(json);
}

static void write_part(struct json *json, const char *key, const struct run_part *part) {
    json_begin_object(json, key);
    if (part->pid) {
        json_integer(json, "pid", part->pid);
        json_integer(json, "parent", part->parent);
        json_text(json, "command", part->command);
        json_text(json, "python", part->python);
        json_real(json, "seconds", part->seconds);
        json_real(json, "peak_seconds", part->peak_seconds);
    }
    json_bool(json, "exact", part->exact);
    json_bool(json, "native", part->native);
    json_unsigned(json, "interval", part->interval);
    json_unsigned(json, "samples", part->samples);
    write_amounts(json, &part->amounts);
    write_lines(json, "lines", part->lines, part->line_count);
    write_lines(json, "own_lines", part->own_lines, part->own_line_count);
    if (part->verdict)
        report_verdict_write(json, "verdict", part->verdict);
    else if (part->pid)
        json_null(json, "verdict");
    if (part->no_verdict)
        json_text(json, "no_verdict", part->no_verdict);
    json_end_object(json);
}

static void write_program(struct json *json, const struct run_report *report) {
    json_begin_array(json, "program");
    for (size_t i = 0; i < report->word_count; i++)
        json_text(json, NULL, report->words[i]);
    json_end_array(json);
    json_real(json, "seconds", report->seconds);
    json_bool(json, "ended", report->ended);
    if (report->ended && !report->signal)
        json_integer(json, "exit_status", report->exit_status);
    else
        json_null(json, "exit_status");
    if (report->signal)
        json_integer(json, "signal", report->signal);
    else
        json_null(json, "signal");
}

void report_run_json(const struct run_report *report, FILE *out) {
    struct json json = {.out = out};
    json_begin_object(&json, NULL);
    json_text(&json, "schema", "caulk.run/1");
    write_program(&json, report);
    json_begin_array(&json, "processes");
    for (size_t i = 0; i < report->part_count; i++)
        write_part(&json, NULL, &report->parts[i]);
    json_end_array(&json);
    write_part(&json, "together", &report->together);
    json_begin_array(&json, "notes");
    for (size_t i = 0; i < report->note_count; i++)
        json_text(&json, NULL, report->notes[i]);
    json_end_array(&json);
    json_text(&json, "recording", report->recording);
    json_end_object(&json);
}

static void write_view(struct json *json, const struct source_view *view) {
    json_begin_object(json, NULL);
    json_text(json, "file", view->file);
    json_bool(json, "exact", view->exact);
    json_unsigned(json, "total_bytes", view->amounts.total_bytes);
    json_unsigned(json, "live_bytes", view->amounts.live_bytes);
    json_unsigned(json, "peak_bytes", view->amounts.peak_bytes);
    json_begin_array(json, "lines");
    for (size_t i = 0; i < view->line_count; i++) {
        const struct source_view_line *line = &view->lines[i];
        if (samples_amounts_are_zero(&line->amounts))
            continue;
        json_begin_object(json, NULL);
        json_unsigned(json, "line", line->line);
        extent_write(json, line->extent);
        json_text(json, "text", line->text);
        write_amounts(json, &line->amounts);
        if (line->native_count)
            write_native(json, line->native, line->native_count);
        json_end_object(json);
    }
    json_end_array(json);
    json_end_object(json);
}

void report_lines_json(const struct source_view *views, size_t count, FILE *out) {
    struct json json = {.out = out};
    json_begin_object(&json, NULL);
    json_text(&json, "schema", "caulk.lines/1");
    json_begin_array(&json, "files");
    for (size_t i = 0; i < count; i++)
        write_view(&json, &views[i]);
    json_end_array(&json);
    json_end_object(&json);
}
