/* Source lines with what they allocated beside them. */
#include "report/native.h"
#include "report/run.h"
#include "report/words.h"

enum { COLUMN_TEXT = 52 };

static void print_number(uint64_t bytes, FILE *out) {
    fprintf(out, "%10s ", bytes ? words_bytes(bytes).text : "");
}

static void print_mark(const struct source_view_line *line, FILE *out) {
    if (!line->mark_width)
        return;
    fprintf(out, "%*s", COLUMN_TEXT + (int)line->mark, "");
    for (size_t i = 0; i < line->mark_width; i++)
        fputc('~', out);
    fputc('\n', out);
}

static void print_line(const struct source_view_line *line, FILE *out) {
    print_number(line->amounts.total_bytes, out);
    fprintf(out, "%10s ", line->amounts.total_count ? words_count(line->amounts.total_count).text : "");
    print_number(line->amounts.peak_bytes, out);
    print_number(line->amounts.live_bytes, out);
    fprintf(out, "%6u  ", line->line);
    words_print(out, line->text ? line->text : "");
    fputc('\n', out);
    print_mark(line, out);
    for (size_t i = 0; i < line->native_count; i++) {
        print_number(line->native[i].amounts.total_bytes, out);
        fprintf(out, "%10s ", words_count(line->native[i].amounts.total_count).text);
        print_number(line->native[i].amounts.peak_bytes, out);
        print_number(line->native[i].amounts.live_bytes, out);
        fprintf(out, "%6s      in ", "");
        native_print(line->native[i].places, line->native[i].place_count, out);
        fputc('\n', out);
    }
}

static bool has_numbers(const struct source_view_line *line) {
    return !samples_amounts_are_zero(&line->amounts);
}

static void print_view(const struct source_view *view, bool all, FILE *out, bool colour) {
    fputs(colour ? "\033[1m" : "", out);
    words_print(out, view->file);
    fputs(colour ? "\033[0m" : "", out);
    fprintf(out, "   allocated %s%s, %s of them at the peak, %s alive at the end\n", view->exact ? "" : "about ",
            words_bytes(view->amounts.total_bytes).text, words_bytes(view->amounts.peak_bytes).text,
            words_bytes(view->amounts.live_bytes).text);
    if (view->trouble) {
        fputs("  ", out);
        words_print(out, view->trouble);
        fputc('\n', out);
    }
    fprintf(out, "%10s %10s %10s %10s %6s\n", "allocated", "objects", "at peak", "at the end", "line");
    uint32_t last = 0;
    for (size_t i = 0; i < view->line_count; i++) {
        const struct source_view_line *line = &view->lines[i];
        if (!all && !has_numbers(line))
            continue;
        if (!all && last && line->line > last + 1)
            fprintf(out, "%49s%s\n", "", "...");
        print_line(line, out);
        last = line->line;
    }
}

void report_lines_text(const struct source_view *views, size_t count, bool all, FILE *out, bool colour) {
    for (size_t i = 0; i < count; i++) {
        if (i)
            fputc('\n', out);
        print_view(&views[i], all, out, colour);
    }
}
