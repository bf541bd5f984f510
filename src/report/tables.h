/* Tables of the commands that show a heap instead of judging it. The program fills them, reports format. */
#ifndef CAULK_REPORT_TABLES_H
#define CAULK_REPORT_TABLES_H

#include "base/source.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* What is said of every snapshot that is shown. */
struct table_snapshot {
    int pid;
    const char *python, *executable;
    double pause_ms, copy_ms;
    uint64_t gc_objects, objects, references, bytes, faults;
    uint64_t counts_checked, counts_explained; /* 0: not counted */
    bool gc_enabled;
};

struct table_type {
    const char *type; /* "shop.Session" */
    uint64_t count, bytes, retained;
};

struct table_holder {
    const char *path, *type;
    uint64_t address, entries, objects, retained;
};

/* A line of source and what of it lives, by the sampler. */
struct table_line {
    const char *file, *function;
    uint32_t line;
    struct source_extent extent; /* of one of its expressions: the one that it is about, or that has most */
    uint64_t live_bytes, live_count;
    double share;
};

struct table_top {
    struct table_snapshot snapshot;
    const struct table_type *types;
    size_t type_count, types_left_out;
    const struct table_holder *holders;
    size_t holder_count;
    const struct table_line *lines; /* empty without a recording */
    size_t line_count;
    bool lines_exact;
};

/* One row of a tree that is drawn by its depth. */
struct table_branch {
    uint32_t depth;
    const char *label, *type;
    uint64_t count, retained; /* objects that the row stands for, and what goes away with them */
    uint64_t left_out;        /* not 0: stands for so many further rows */
};

struct table_tree {
    struct table_snapshot snapshot;
    const struct table_branch *rows;
    size_t row_count;
};

struct table_step {
    const char *edge, *type;
    uint64_t address;
};

struct table_path {
    const char *path;
    const struct table_step *steps;
    size_t step_count;
    uint64_t retained;
    struct table_line born; /* where the object was allocated; line 0: not known */
    double age;             /* seconds since then; -1 unknown */
};

struct table_why {
    struct table_snapshot snapshot;
    const char *what;
    uint64_t matches;
    const struct table_path *paths;
    size_t path_count;
    const struct table_line *lines; /* that allocated the matching objects, as far as they were sampled */
    size_t line_count;
    uint64_t sampled;
};

struct table_change {
    const char *name, *type;
    int64_t objects, bytes;
};

struct table_diff {
    struct table_snapshot before, after;
    double seconds; /* between the two, 0 unknown */
    const struct table_change *types, *paths;
    size_t type_count, path_count;
};

void report_snapshot_text(const struct table_snapshot *table, const char *path, FILE *out);
void report_snapshot_json(const struct table_snapshot *table, FILE *out);
void report_top_text(const struct table_top *table, FILE *out, bool colour);
void report_top_json(const struct table_top *table, FILE *out);
void report_tree_text(const struct table_tree *table, FILE *out, bool colour);
void report_tree_json(const struct table_tree *table, FILE *out);
void report_why_text(const struct table_why *table, FILE *out, bool colour);
void report_why_json(const struct table_why *table, FILE *out);
void report_diff_text(const struct table_diff *table, FILE *out, bool colour);
void report_diff_json(const struct table_diff *table, FILE *out);

#endif
