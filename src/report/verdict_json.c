/* The verdict for programs: schema caulk.verdict/1. */
#include "report/extent.h"
#include "report/json.h"
#include "report/native.h"
#include "report/report.h"
#include "report/verdict_json.h"

static void write_target(struct json *json, const struct verdict *verdict) {
    json_begin_object(json, "target");
    json_integer(json, "pid", verdict->pid);
    json_text(json, "python", verdict->python);
    json_text(json, "executable", verdict->executable);
    json_begin_array(json, "argv");
    for (size_t i = 0; i < verdict->argv_count; i++)
        json_text(json, NULL, verdict->argv[i]);
    json_end_array(json);
    json_end_object(json);
}

static void write_window(struct json *json, const struct verdict *verdict) {
    json_begin_object(json, "window");
    json_real(json, "seconds", verdict->seconds);
    json_unsigned(json, "snapshots", verdict->snapshots);
    json_begin_array(json, "pause_ms");
    for (size_t i = 0; verdict->pause_ms && i < verdict->snapshots; i++)
        json_real(json, NULL, verdict->pause_ms[i]);
    json_end_array(json);
    json_end_object(json);
}

static void write_steps(struct json *json, const char *key, const struct holder_step *steps, size_t count) {
    json_begin_array(json, key);
    for (size_t i = 0; i < count; i++) {
        json_begin_object(json, NULL);
        json_text(json, "edge", steps[i].edge);
        json_text(json, "type", steps[i].type);
        json_address(json, "address", steps[i].address);
        if (steps[i].objects)
            json_unsigned(json, "objects", steps[i].objects);
        if (steps[i].bytes)
            json_unsigned(json, "bytes", steps[i].bytes);
        json_end_object(json);
    }
    json_end_array(json);
}

static void write_holder(struct json *json, const struct finding *finding) {
    if (!finding->path) {
        json_null(json, "holder");
        return;
    }
    json_begin_object(json, "holder");
    json_text(json, "path", finding->path);
    json_text(json, "root", finding->root);
    json_text(json, "type", finding->holder_type);
    json_unsigned(json, "entries", finding->holder_entries);
    write_steps(json, "steps", finding->steps, finding->step_count);
    write_steps(json, "below", finding->below, finding->below_count);
    json_end_object(json);
}

static void write_grows(struct json *json, const struct finding *finding) {
    json_begin_array(json, "grows");
    for (size_t i = 0; i < finding->grow_count; i++) {
        json_begin_object(json, NULL);
        json_text(json, "type", finding->grows[i].type);
        json_unsigned(json, "count", finding->grows[i].count);
        json_unsigned(json, "bytes", finding->grows[i].bytes);
        json_end_object(json);
    }
    json_end_array(json);
}

static void write_lines(struct json *json, const char *key, const struct source_line *lines, size_t count) {
    json_begin_array(json, key);
    for (size_t i = 0; i < count; i++) {
        json_begin_object(json, NULL);
        json_text(json, "file", lines[i].file);
        json_integer(json, "line", lines[i].line);
        extent_write(json, lines[i].extent);
        json_text(json, "function", lines[i].function);
        json_real(json, "share", lines[i].share);
        if (lines[i].native_count)
            native_write(json, "native", lines[i].native, lines[i].native_count);
        json_end_object(json);
    }
    json_end_array(json);
}

static void write_texts(struct json *json, const char *key, const char *const *texts, size_t count) {
    json_begin_array(json, key);
    for (size_t i = 0; i < count; i++)
        json_text(json, NULL, texts[i]);
    json_end_array(json);
}

static void write_finding(struct json *json, const struct finding *finding) {
    json_begin_object(json, NULL);
    json_unsigned(json, "rank", finding->rank);
    json_text(json, "kind", finding_kind_name(finding->kind));
    json_text(json, "confidence", confidence_name(finding->confidence));
    json_text(json, "title", finding->title);
    if (finding->pid)
        json_integer(json, "pid", finding->pid);
    write_holder(json, finding);
    write_grows(json, finding);
    json_unsigned(json, "bytes", finding->bytes);
    json_unsigned(json, "exclusive_bytes", finding->exclusive_bytes);
    json_unsigned(json, "objects", finding->objects);
    json_real(json, "heap_share", finding->heap_share);
    json_real(json, "growth_share", finding->growth_share);
    json_real(json, "bytes_per_second", finding->bytes_per_second);
    json_begin_array(json, "interval");
    json_real(json, NULL, finding->low);
    json_real(json, NULL, finding->high);
    json_end_array(json);
    write_lines(json, "allocated_at", finding->allocated_at, finding->allocated_count);
    write_lines(json, "written_by", finding->written_by, finding->written_count);
    json_text(json, "cause", finding->cause);
    json_text(json, "advice", finding->advice);
    write_texts(json, "evidence", finding->evidence, finding->evidence_count);
    json_end_object(json);
}

static void write_not_leaks(struct json *json, const struct verdict *verdict) {
    json_begin_array(json, "not_leaks");
    for (size_t i = 0; i < verdict->not_leak_count; i++) {
        json_begin_object(json, NULL);
        json_text(json, "kind", not_leak_kind_name(verdict->not_leaks[i].kind));
        json_text(json, "title", verdict->not_leaks[i].title);
        json_end_object(json);
    }
    json_end_array(json);
}

/* What was not measured is null, never 0. */
static void write_resident(struct json *json, const struct verdict *verdict) {
    if (!verdict->rss_known) {
        json_null(json, "rss");
        return;
    }
    const struct resident_split *rss = &verdict->rss;
    json_begin_object(json, "rss");
    json_unsigned(json, "total", rss->total);
    json_unsigned(json, "python_objects", rss->python_objects);
    json_null(json, "native_blocks");
    json_null(json, "allocator_free");
    json_unsigned(json, "libraries", rss->libraries);
    json_unsigned(json, "stacks", rss->stacks);
    json_unsigned(json, "shared", rss->shared);
    json_unsigned(json, "other", rss->other);
    json_end_object(json);
}

static void write_coverage(struct json *json, const struct verdict *verdict) {
    json_begin_object(json, "coverage");
    json_unsigned(json, "gc_objects", verdict->gc_objects);
    json_unsigned(json, "objects", verdict->objects);
    json_unsigned(json, "references", verdict->references);
    json_unsigned(json, "faults", verdict->faults);
    json_unsigned(json, "refcounts_checked", verdict->counts_checked);
    json_unsigned(json, "refcounts_explained", verdict->counts_explained);
    json_bool(json, "garbage_collector_enabled", verdict->garbage_collector_enabled);
    json_bool(json, "garbage_collector_run", false);
    json_end_object(json);
}

void report_verdict_write(struct json *json, const char *key, const struct verdict *verdict) {
    json_begin_object(json, key);
    json_text(json, "schema", "caulk.verdict/1");
    write_target(json, verdict);
    write_window(json, verdict);
    json_text(json, "verdict", verdict_outcome_name(verdict->outcome));
    json_begin_object(json, "growth");
    json_real(json, "live_bytes_per_second", verdict->live_bytes_per_second);
    json_real(json, "rss_bytes_per_second", verdict->rss_bytes_per_second);
    json_end_object(json);
    json_begin_object(json, "heap");
    json_unsigned(json, "live_bytes", verdict->live_bytes);
    json_unsigned(json, "live_objects", verdict->live_objects);
    json_end_object(json);
    json_begin_array(json, "findings");
    for (size_t i = 0; i < verdict->finding_count; i++)
        write_finding(json, &verdict->findings[i]);
    json_end_array(json);
    write_not_leaks(json, verdict);
    write_resident(json, verdict);
    write_coverage(json, verdict);
    write_texts(json, "notes", verdict->notes, verdict->note_count);
    json_end_object(json);
}

void report_verdict_json(const struct verdict *verdict, FILE *out) {
    struct json json = {.out = out};
    report_verdict_write(&json, NULL, verdict);
}
