/* What a program allocated, by source line, and what is said of each of its processes. The program fills it, reports
 * format. */
#ifndef CAULK_REPORT_RUN_H
#define CAULK_REPORT_RUN_H

#include "diagnosis/finding.h"
#include "samples/samples.h"

#include <stdio.h>

struct run_line {
    const char *file, *function;
    uint32_t line;
    uint32_t expressions;        /* of the line that allocated, as far as they are known */
    struct source_extent extent; /* of the one of them that held most at the peak */
    struct samples_amounts amounts;
    uint64_t samples;
    struct run_native *native; /* what below the line allocated, if native stacks were wanted; most bytes first */
    size_t native_count;
};

/* One chain of native functions that a line led to, innermost first. */
struct run_native {
    struct native_place *places;
    size_t place_count;
    struct samples_amounts amounts;
};

/* A process, or all of them together. Bytes and counts are estimates unless `exact`. */
struct run_part {
    int pid, parent;     /* 0: all together */
    const char *command, *python;
    bool exact, native;
    uint64_t interval;   /* bytes between samples, on average */
    struct samples_amounts amounts;
    uint64_t samples;
    double peak_seconds; /* after the begin of the process */
    double seconds;      /* that it was sampled */
    struct run_line *lines; /* that allocated, of whosever code; most bytes at the peak first */
    size_t line_count;
    struct run_line *own_lines; /* the same by the innermost line of the user's own code */
    size_t own_line_count;
    const struct verdict *verdict; /* NULL: none, and why */
    const char *no_verdict;
};

struct run_report {
    const char *const *words; /* of the program */
    size_t word_count;
    double seconds;
    bool ended;
    int exit_status, signal; /* signal 0: it ended by itself */
    struct run_part *parts;
    size_t part_count;
    struct run_part together; /* of several processes */
    const char *const *notes;
    size_t note_count;
    const char *recording; /* the file that keeps it; NULL none */
    const char *folder;    /* that files are shown relative to */
    size_t line_limit;     /* lines of each table for people */
};

void report_run_text(const struct run_report *report, FILE *out, bool colour);
void report_run_json(const struct run_report *report, FILE *out);

/* The source of a file with its numbers beside each line. */
struct source_view_line {
    uint32_t line;
    const char *text;
    struct span source; /* the same as the file has it */
    uint32_t expressions;
    struct source_extent extent;
    size_t mark, mark_width; /* columns of `text` that are underlined: where one of several expressions stands */
    struct samples_amounts amounts;
    const struct run_native *native;
    size_t native_count;
};

struct source_view {
    const char *file;
    bool exact;
    const char *trouble; /* why there is no text; NULL if there is */
    struct source_view_line *lines; /* in order; all of the file, or those with numbers */
    size_t line_count;
    struct samples_amounts amounts;
};

void report_lines_text(const struct source_view *views, size_t count, bool all, FILE *out, bool colour);
void report_lines_json(const struct source_view *views, size_t count, FILE *out);

#endif
