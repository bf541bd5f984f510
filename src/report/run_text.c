/* What a program allocated, for people. */
#include "report/native.h"
#include "report/report.h"
#include "report/run.h"
#include "report/words.h"

enum { COLUMN_PLACE = 52, LINES_SHORT = 5 };

static void paint(FILE *out, bool colour, const char *code, const char *text) {
    if (colour)
        fprintf(out, "\033[%sm", code);
    words_print(out, text);
    if (colour)
        fputs("\033[0m", out);
}

static void print_words(const struct run_report *report, FILE *out) {
    size_t columns = 0;
    for (size_t i = 0; i < report->word_count && columns < 60; i++) {
        fputc(' ', out);
        columns += words_print(out, report->words[i]) + 1;
    }
    if (columns >= 60)
        fputs(" ...", out);
}

static void print_head(const struct run_report *report, FILE *out) {
    fputs("caulk · run ·", out);
    print_words(report, out);
    fprintf(out, " · %.*f s", report->seconds < 10 ? 1 : 0, report->seconds);
    if (report->part_count > 1)
        fprintf(out, " · %zu processes", report->part_count);
    if (!report->ended)
        fputs(" · still running", out);
    else if (report->signal)
        fprintf(out, " · ended by signal %d", report->signal);
    else
        fprintf(out, " · exit status %d", report->exit_status);
    fputs("\n", out);
}

/* Bytes by what the table is about. */
typedef uint64_t (*run_measure)(const struct samples_amounts *amounts, uint64_t *count_out);

static uint64_t peak_of(const struct samples_amounts *amounts, uint64_t *count_out) {
    *count_out = amounts->peak_count;
    return amounts->peak_bytes;
}
static uint64_t live_of(const struct samples_amounts *amounts, uint64_t *count_out) {
    *count_out = amounts->live_count;
    return amounts->live_bytes;
}
static uint64_t total_of(const struct samples_amounts *amounts, uint64_t *count_out) {
    *count_out = amounts->total_count;
    return amounts->total_bytes;
}

/* The line of most bytes that is not shown yet: those before it have more, or as many and an earlier place. */
static const struct run_line *next_line(const struct run_part *part, run_measure measure,
                                        const struct run_line *last) {
    const struct run_line *best = NULL;
    uint64_t ignored, most = 0, limit = last ? measure(&last->amounts, &ignored) : UINT64_MAX;
    for (size_t i = 0; i < part->own_line_count; i++) {
        const struct run_line *line = &part->own_lines[i];
        uint64_t bytes = measure(&line->amounts, &ignored);
        bool later = bytes < limit || (bytes == limit && last && line > last);
        if (later && bytes > most) {
            best = line;
            most = bytes;
        }
    }
    return best;
}

static void print_line(const struct run_report *report, const struct run_line *line, uint64_t bytes, uint64_t count,
                       uint64_t total, FILE *out) {
    char place[600];
    const char *file = line->file && *line->file ? words_file(line->file, report->folder) : "outside of Python's functions";
    snprintf(place, sizeof place, "%s:%u", file, line->line);
    if (!line->line)
        snprintf(place, sizeof place, "%s", file);
    fprintf(out, "  %10s  %5s  ", words_bytes(bytes).text, words_percent(total ? (double)bytes / (double)total : 0).text);
    size_t width = words_print(out, place);
    if (line->function && *line->function) {
        fprintf(out, "%*s", width + 2 < COLUMN_PLACE ? (int)(COLUMN_PLACE - width) : 2, "");
        words_print(out, line->function);
        fputs("()", out);
    }
    fprintf(out, "  × %s\n", words_count(count).text);
}

/* What is below the line, but for a small rest. */
static void print_natives(const struct run_line *line, run_measure measure, uint64_t bytes, FILE *out) {
    uint64_t ignored;
    for (size_t i = 0; i < line->native_count; i++) {
        uint64_t here = measure(&line->native[i].amounts, &ignored);
        if (here * 10 < bytes || !here)
            continue;
        fprintf(out, "  %10s  %5s    in ", words_bytes(here).text, "");
        native_print(line->native[i].places, line->native[i].place_count, out);
        fputc('\n', out);
    }
}

static void print_table(const struct run_report *report, const struct run_part *part, run_measure measure,
                        uint64_t total, size_t limit, FILE *out) {
    const struct run_line *line = NULL;
    uint64_t count;
    for (size_t i = 0; i < limit && (line = next_line(part, measure, line)); i++) {
        uint64_t bytes = measure(&line->amounts, &count);
        if (i && bytes * 200 < total)
            return;
        print_line(report, line, bytes, count, total, out);
        print_natives(line, measure, bytes, out);
    }
}

static void print_title(const struct run_part *part, const char *word, uint64_t bytes, uint64_t count, FILE *out,
                        bool colour) {
    fputc('\n', out);
    paint(out, colour, "1", word);
    fprintf(out, "  %s%s in %s objects", part->exact ? "" : "about ", words_bytes(bytes).text,
            words_count(count).text);
}

static void print_identity(const struct run_part *part, FILE *out, bool colour) {
    fputc('\n', out);
    if (!part->pid) {
        paint(out, colour, "1;4", "all processes together");
        fputs(" · sums: peaks need not fall together, and what a fork's child began with counts for its parent too\n", out);
        return;
    }
    char word[32];
    snprintf(word, sizeof word, "process %d", part->pid);
    paint(out, colour, "1;4", word);
    if (part->command && *part->command) {
        fputs(" · ", out);
        words_print(out, part->command);
    }
    fprintf(out, " · %.1f s\n", part->seconds);
}

static void print_part(const struct run_report *report, const struct run_part *part, bool several, FILE *out,
                       bool colour) {
    if (several)
        print_identity(part, out, colour);
    if (part->verdict) {
        fputc('\n', out);
        report_verdict_text(part->verdict, out, colour);
    }
    size_t limit = report->line_limit;
    print_title(part, "PEAK", part->amounts.peak_bytes, part->amounts.peak_count, out, colour);
    if (part->pid)
        fprintf(out, " · %.1f s after the start", part->peak_seconds);
    fputc('\n', out);
    print_table(report, part, peak_of, part->amounts.peak_bytes, limit, out);
    print_title(part, "ALLOCATED", part->amounts.total_bytes, part->amounts.total_count, out, colour);
    fputc('\n', out);
    print_table(report, part, total_of, part->amounts.total_bytes, limit < LINES_SHORT ? limit : LINES_SHORT, out);
    print_title(part, report->ended ? "ALIVE AT THE END" : "ALIVE NOW", part->amounts.live_bytes, part->amounts.live_count, out, colour);
    fputc('\n', out);
    print_table(report, part, live_of, part->amounts.live_bytes, limit < LINES_SHORT ? limit : LINES_SHORT, out);
    if (part->no_verdict) {
        fputs("\nno verdict: ", out);
        words_print(out, part->no_verdict);
        fputc('\n', out);
    }
}

static void print_method(const struct run_part *part, FILE *out) {
    if (part->exact)
        fprintf(out, "\nexact: every allocation of Python%s was counted\n", part->native ? " and malloc" : "");
    else
        fprintf(out, "\nestimates from %s samples, one for every %s on average; %s\n", words_count(part->samples).text,
                words_bytes(part->interval).text,
                part->native ? "Python and malloc" : "Python's allocations, not those of C code (--native)");
}

void report_run_text(const struct run_report *report, FILE *out, bool colour) {
    bool several = report->part_count > 1;
    print_head(report, out);
    for (size_t i = 0; i < report->part_count; i++)
        print_part(report, &report->parts[i], several, out, colour);
    if (several)
        print_part(report, &report->together, true, out, colour);
    if (report->part_count)
        print_method(&report->parts[0], out);
    for (size_t i = 0; i < report->note_count; i++) {
        fputs("note: ", out);
        words_print(out, report->notes[i]);
        fputc('\n', out);
    }
    if (report->recording) {
        fputs("recording kept in ", out);
        words_print(out, report->recording);
        fputc('\n', out);
    }
}
