/* Tables for programs. */
#include "report/extent.h"
#include "report/json.h"
#include "report/tables.h"

static void write_snapshot_members(struct json *json, const struct table_snapshot *table) {
    json_integer(json, "pid", table->pid);
    json_text(json, "python", table->python);
    json_text(json, "executable", table->executable);
    json_unsigned(json, "gc_objects", table->gc_objects);
    json_unsigned(json, "objects", table->objects);
    json_unsigned(json, "references", table->references);
    json_unsigned(json, "bytes", table->bytes);
    json_real(json, "pause_ms", table->pause_ms);
    json_real(json, "copy_ms", table->copy_ms);
    json_begin_object(json, "coverage");
    json_unsigned(json, "gc_objects", table->gc_objects);
    json_unsigned(json, "objects", table->objects);
    json_unsigned(json, "faults", table->faults);
    json_unsigned(json, "refcounts_checked", table->counts_checked);
    json_unsigned(json, "refcounts_explained", table->counts_explained);
    json_bool(json, "garbage_collector_enabled", table->gc_enabled);
    json_bool(json, "garbage_collector_run", false);
    json_end_object(json);
}

static void write_snapshot(struct json *json, const char *key, const struct table_snapshot *table) {
    json_begin_object(json, key);
    write_snapshot_members(json, table);
    json_end_object(json);
}

void report_snapshot_json(const struct table_snapshot *table, FILE *out) {
    struct json json = {.out = out};
    write_snapshot(&json, NULL, table);
}

static void write_line(struct json *json, const char *key, const struct table_line *line, bool live) {
    json_begin_object(json, key);
    json_text(json, "file", line->file);
    json_unsigned(json, "line", line->line);
    extent_write(json, line->extent);
    json_text(json, "function", line->function);
    if (line->share > 0)
        json_real(json, "share", line->share);
    if (live) {
        json_unsigned(json, "live_bytes", line->live_bytes);
        json_unsigned(json, "live_count", line->live_count);
    }
    json_end_object(json);
}

static void write_lines(struct json *json, const char *key, const struct table_line *lines, size_t count, bool live) {
    json_begin_array(json, key);
    for (size_t i = 0; i < count; i++)
        write_line(json, NULL, &lines[i], live);
    json_end_array(json);
}

void report_top_json(const struct table_top *table, FILE *out) {
    struct json json = {.out = out};
    json_begin_object(&json, NULL);
    write_snapshot(&json, "snapshot", &table->snapshot);
    json_begin_array(&json, "types");
    for (size_t i = 0; i < table->type_count; i++) {
        json_begin_object(&json, NULL);
        json_text(&json, "type", table->types[i].type);
        json_unsigned(&json, "count", table->types[i].count);
        json_unsigned(&json, "bytes", table->types[i].bytes);
        json_unsigned(&json, "retained_bytes", table->types[i].retained);
        json_end_object(&json);
    }
    json_end_array(&json);
    json_unsigned(&json, "types_left_out", table->types_left_out);
    json_begin_array(&json, "holders");
    for (size_t i = 0; i < table->holder_count; i++) {
        const struct table_holder *row = &table->holders[i];
        json_begin_object(&json, NULL);
        json_text(&json, "path", row->path);
        json_text(&json, "type", row->type);
        json_address(&json, "address", row->address);
        json_unsigned(&json, "entries", row->entries);
        json_unsigned(&json, "retained_bytes", row->retained);
        json_end_object(&json);
    }
    json_end_array(&json);
    if (table->line_count) {
        write_lines(&json, "lines", table->lines, table->line_count, true);
        json_bool(&json, "lines_exact", table->lines_exact);
    }
    json_end_object(&json);
}

void report_tree_json(const struct table_tree *table, FILE *out) {
    struct json json = {.out = out};
    json_begin_object(&json, NULL);
    write_snapshot(&json, "snapshot", &table->snapshot);
    json_begin_array(&json, "rows");
    for (size_t i = 0; i < table->row_count; i++) {
        const struct table_branch *row = &table->rows[i];
        json_begin_object(&json, NULL);
        json_unsigned(&json, "depth", row->depth);
        json_text(&json, "label", row->label);
        json_text(&json, "type", row->type);
        json_unsigned(&json, "count", row->count);
        json_unsigned(&json, "retained_bytes", row->retained);
        json_unsigned(&json, "left_out", row->left_out);
        json_end_object(&json);
    }
    json_end_array(&json);
    json_end_object(&json);
}

static void write_path(struct json *json, const struct table_path *path) {
    json_begin_object(json, NULL);
    json_text(json, "path", path->path);
    if (path->born.line)
        write_line(json, "allocated_at", &path->born, false);
    if (path->born.line && path->age >= 0)
        json_real(json, "age_seconds", path->age);
    json_begin_array(json, "steps");
    for (size_t i = 0; i < path->step_count; i++) {
        json_begin_object(json, NULL);
        json_text(json, "edge", path->steps[i].edge);
        json_text(json, "type", path->steps[i].type);
        json_address(json, "address", path->steps[i].address);
        json_end_object(json);
    }
    json_end_array(json);
    json_unsigned(json, "retained_bytes", path->retained);
    json_end_object(json);
}

void report_why_json(const struct table_why *table, FILE *out) {
    struct json json = {.out = out};
    json_begin_object(&json, NULL);
    write_snapshot(&json, "snapshot", &table->snapshot);
    json_text(&json, "what", table->what);
    json_unsigned(&json, "matches", table->matches);
    if (table->line_count)
        write_lines(&json, "allocated_at", table->lines, table->line_count, false);
    json_begin_array(&json, "paths");
    for (size_t i = 0; i < table->path_count; i++)
        write_path(&json, &table->paths[i]);
    json_end_array(&json);
    json_end_object(&json);
}

static void write_changes(struct json *json, const char *key, const char *name, const struct table_change *rows,
                          size_t count) {
    json_begin_array(json, key);
    for (size_t i = 0; i < count; i++) {
        json_begin_object(json, NULL);
        json_text(json, name, rows[i].name);
        if (rows[i].type)
            json_text(json, "holder_type", rows[i].type);
        json_integer(json, "objects", rows[i].objects);
        json_integer(json, "bytes", rows[i].bytes);
        json_end_object(json);
    }
    json_end_array(json);
}

void report_diff_json(const struct table_diff *table, FILE *out) {
    struct json json = {.out = out};
    json_begin_object(&json, NULL);
    write_snapshot(&json, "before", &table->before);
    write_snapshot(&json, "after", &table->after);
    json_real(&json, "seconds", table->seconds);
    write_changes(&json, "paths", "path", table->paths, table->path_count);
    write_changes(&json, "types", "type", table->types, table->type_count);
    json_end_object(&json);
}
