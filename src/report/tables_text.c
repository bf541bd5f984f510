/* Tables for people. */
#include "report/tables.h"
#include "report/words.h"

static void print_bold(FILE *out, bool colour, const char *text) {
    fputs(colour ? "\033[1m" : "", out);
    words_print(out, text);
    fputs(colour ? "\033[0m" : "", out);
}

static void print_snapshot(const struct table_snapshot *table, FILE *out) {
    fputs("caulk", out);
    if (table->pid > 0)
        fprintf(out, " · pid %d", table->pid);
    fputs(" · CPython ", out);
    words_print(out, table->python);
    fprintf(out, " · %s in %s objects, %s references", words_bytes(table->bytes).text,
            words_count(table->objects).text, words_count(table->references).text);
    if (table->pause_ms > 0)
        fprintf(out, " · paused %.1f ms", table->pause_ms);
    if (table->faults)
        fprintf(out, " · %s could not be read", words_count(table->faults).text);
    fputs("\n", out);
}

void report_snapshot_text(const struct table_snapshot *table, const char *path, FILE *out) {
    print_snapshot(table, out);
    if (path) {
        fputs("written to ", out);
        words_print(out, path);
        fputc('\n', out);
    }
}

static void print_place(const struct table_line *line, FILE *out) {
    char place[600];
    snprintf(place, sizeof place, "%s:%u", line->file ? line->file : "?", line->line);
    words_print(out, place);
    if (line->function && *line->function) {
        fputs("  ", out);
        words_print(out, line->function);
        fputs("()", out);
    }
}

static void print_live_lines(const struct table_top *table, FILE *out, bool colour) {
    if (!table->line_count)
        return;
    fputc('\n', out);
    print_bold(out, colour, table->lines_exact ? "       alive      objects  line" : " about alive      objects  line");
    fputc('\n', out);
    for (size_t i = 0; i < table->line_count; i++) {
        fprintf(out, "%12s %12s  ", words_bytes(table->lines[i].live_bytes).text,
                words_count(table->lines[i].live_count).text);
        print_place(&table->lines[i], out);
        fputc('\n', out);
    }
}

void report_top_text(const struct table_top *table, FILE *out, bool colour) {
    print_snapshot(&table->snapshot, out);
    if (table->type_count) {
        fputc('\n', out);
        print_bold(out, colour, "       count        bytes     retained  type");
        fputc('\n', out);
    }
    for (size_t i = 0; i < table->type_count; i++) {
        const struct table_type *row = &table->types[i];
        fprintf(out, "%12s %12s %12s  ", words_count(row->count).text, words_bytes(row->bytes).text,
                words_bytes(row->retained).text);
        words_print(out, row->type);
        fputc('\n', out);
    }
    if (table->types_left_out)
        fprintf(out, "%12s ... %s more types\n", "", words_count(table->types_left_out).text);
    if (table->holder_count) {
        fputc('\n', out);
        print_bold(out, colour, "    retained      entries  type                  holder");
        fputc('\n', out);
    }
    for (size_t i = 0; i < table->holder_count; i++) {
        const struct table_holder *row = &table->holders[i];
        fprintf(out, "%12s %12s  ", words_bytes(row->retained).text,
                row->entries ? words_count(row->entries).text : "-");
        size_t width = words_print(out, row->type);
        fprintf(out, "%*s", width < 20 ? (int)(22 - width) : 2, "");
        words_print(out, row->path);
        fputc('\n', out);
    }
    print_live_lines(table, out, colour);
}

void report_tree_text(const struct table_tree *table, FILE *out, bool colour) {
    print_snapshot(&table->snapshot, out);
    fputc('\n', out);
    print_bold(out, colour, "    retained         of objects");
    fputc('\n', out);
    double total = table->snapshot.bytes ? (double)table->snapshot.bytes : 1;
    for (size_t i = 0; i < table->row_count; i++) {
        const struct table_branch *row = &table->rows[i];
        fprintf(out, "%12s %12s  %*s", words_bytes(row->retained).text,
                words_percent((double)row->retained / total).text, (int)(row->depth * 2), "");
        if (row->left_out) {
            fprintf(out, "... %s more\n", words_count(row->left_out).text);
            continue;
        }
        words_print(out, row->label);
        if (row->type && strcmp(row->type, row->label) != 0) {
            fputs("  ", out);
            words_print(out, row->type);
        }
        if (row->count > 1)
            fprintf(out, " × %s", words_count(row->count).text);
        fputc('\n', out);
    }
}

static void print_path(const struct table_path *path, FILE *out, bool colour) {
    fputs("\n  ", out);
    print_bold(out, colour, path->path);
    fprintf(out, "   retains %s\n", words_bytes(path->retained).text);
    if (path->born.line) {
        fputs("    allocated ", out);
        if (path->age >= 0)
            fprintf(out, "%.1f s ago ", path->age);
        fputs("at ", out);
        print_place(&path->born, out);
        fputc('\n', out);
    }
    for (size_t i = 0; i < path->step_count; i++) {
        const struct table_step *step = &path->steps[i];
        fputs(i ? "    └ " : "    ", out);
        size_t width = words_print(out, step->edge);
        fprintf(out, "%*s", width < 28 ? (int)(30 - width) : 2, "");
        width = words_print(out, step->type);
        if (step->address)
            fprintf(out, "%*s0x%llx", width < 28 ? (int)(30 - width) : 2, "", (unsigned long long)step->address);
        fputc('\n', out);
    }
}

void report_why_text(const struct table_why *table, FILE *out, bool colour) {
    print_snapshot(&table->snapshot, out);
    fprintf(out, "\n%s object%s ", words_count(table->matches).text, table->matches == 1 ? " matches" : "s match");
    words_print(out, table->what);
    if (table->path_count < table->matches)
        fprintf(out, "; the %zu that retain%s most", table->path_count, table->path_count == 1 ? "s" : "");
    fputc('\n', out);
    if (table->line_count)
        fprintf(out, "allocated at, by %s of them that were sampled:\n", words_count(table->sampled).text);
    for (size_t i = 0; i < table->line_count; i++) {
        fprintf(out, "  %6s  ", words_percent(table->lines[i].share).text);
        print_place(&table->lines[i], out);
        fputc('\n', out);
    }
    for (size_t i = 0; i < table->path_count; i++)
        print_path(&table->paths[i], out, colour);
}

static void print_changes(const struct table_change *rows, size_t count, const char *title, FILE *out, bool colour) {
    if (!count)
        return;
    fputc('\n', out);
    print_bold(out, colour, title);
    fputc('\n', out);
    for (size_t i = 0; i < count; i++) {
        const struct table_change *row = &rows[i];
        uint64_t objects = row->objects < 0 ? 0 - (uint64_t)row->objects : (uint64_t)row->objects;
        uint64_t bytes = row->bytes < 0 ? 0 - (uint64_t)row->bytes : (uint64_t)row->bytes;
        fprintf(out, "%c%11s %c%11s  ", row->objects < 0 ? '-' : '+', words_count(objects).text,
                row->bytes < 0 ? '-' : '+', words_bytes(bytes).text);
        words_print(out, row->name);
        if (row->type) {
            fputs("  ", out);
            words_print(out, row->type);
        }
        fputc('\n', out);
    }
}

void report_diff_text(const struct table_diff *table, FILE *out, bool colour) {
    print_snapshot(&table->before, out);
    print_snapshot(&table->after, out);
    if (table->seconds > 0)
        fprintf(out, "%.1f s between them\n", table->seconds);
    print_changes(table->paths, table->path_count, "     objects        bytes  below", out, colour);
    print_changes(table->types, table->type_count, "     objects        bytes  type", out, colour);
    if (!table->path_count && !table->type_count)
        fputs("\nnothing changed\n", out);
}
