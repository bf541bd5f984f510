/* The verdict for people: the first screen. */
#include "report/native.h"
#include "report/report.h"
#include "report/words.h"

enum {
    COLUMN_TYPE = 34,   /* of a holder's line: where its type begins */
    COLUMN_SIZE = 54,   /* where sizes begin */
    LINE_WIDTH = 96,
    COMMAND_WIDTH = 56,
    EVIDENCE_MAX = 6,
    GROWS_MAX = 3,
    LINES_MAX = 3,
};

struct screen {
    FILE *out;
    bool colour;
};

static const char BOLD[] = "1", RED[] = "1;31", GREEN[] = "1;32", YELLOW[] = "1;33", DIM[] = "2";

static size_t paint(const struct screen *screen, const char *colour, const char *text) {
    if (screen->colour)
        fprintf(screen->out, "\033[%sm", colour);
    size_t columns = words_print(screen->out, text);
    if (screen->colour)
        fputs("\033[0m", screen->out);
    return columns;
}

/* Spaces up to `column`, at least two. */
static size_t tab(const struct screen *screen, size_t at, size_t column) {
    size_t spaces = at + 2 <= column ? column - at : 2;
    fprintf(screen->out, "%*s", (int)spaces, "");
    return at + spaces;
}

static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}

/* The command line as far as it fits: program by its short name, then the words. */
static void print_command(const struct screen *screen, const struct verdict *verdict) {
    size_t columns = 0;
    for (size_t i = 0; i < verdict->argv_count && columns < COMMAND_WIDTH; i++) {
        const char *word = i == 0 ? base_name(verdict->argv[i]) : verdict->argv[i];
        size_t width = words_width(word);
        if (i > 0 && columns + 1 + width > COMMAND_WIDTH) {
            fputs(" ...", screen->out);
            return;
        }
        if (i > 0)
            fputc(' ', screen->out);
        columns += words_print(screen->out, word) + (i > 0);
    }
}

static void print_pauses(const struct screen *screen, const struct verdict *verdict) {
    double longest = 0, sum = 0;
    for (size_t i = 0; verdict->pause_ms && i < verdict->snapshots; i++) {
        sum += verdict->pause_ms[i];
        if (verdict->pause_ms[i] > longest)
            longest = verdict->pause_ms[i];
    }
    fprintf(screen->out, " · %zu snapshot%s", verdict->snapshots, verdict->snapshots == 1 ? "" : "s");
    if (longest <= 0)
        return;
    double mean = sum / (double)verdict->snapshots;
    int decimals = longest < 10 ? 1 : 0;
    if (verdict->snapshots == 1 || longest < mean * 1.5)
        fprintf(screen->out, ", paused %.*f ms%s", decimals, mean, verdict->snapshots == 1 ? "" : " each");
    else
        fprintf(screen->out, ", paused %.*f ms on average, %.*f at most", decimals, mean, decimals, longest);
}

static void print_header(const struct screen *screen, const struct verdict *verdict) {
    fputs("caulk", screen->out);
    if (verdict->pid > 0)
        fprintf(screen->out, " · pid %d", verdict->pid);
    if (verdict->python) {
        fputs(" · CPython ", screen->out);
        words_print(screen->out, verdict->python);
    }
    if (verdict->argv_count) {
        fputs(" · ", screen->out);
        print_command(screen, verdict);
    }
    if (verdict->seconds > 0)
        fprintf(screen->out, " · watched %.*f s", verdict->seconds < 10 ? 1 : 0, verdict->seconds);
    print_pauses(screen, verdict);
    fputs("\n\n", screen->out);
}

/* Text in lines of at most LINE_WIDTH columns, broken at spaces, from column `at` on. */
static void print_wrapped(const struct screen *screen, const char *text, size_t at) {
    size_t column = at;
    for (struct span rest = span_from_text(text); rest.length;) {
        const char *space = memchr(rest.data, ' ', rest.length);
        size_t length = space ? (size_t)(space - rest.data) : rest.length;
        char word[256];
        snprintf(word, sizeof word, "%.*s", (int)length, rest.data);
        size_t width = words_width(word);
        if (column > at && column + 1 + width > LINE_WIDTH) {
            fprintf(screen->out, "\n%*s", (int)at, "");
            column = at;
        } else if (column > at) {
            fputc(' ', screen->out);
            column++;
        }
        column += words_print(screen->out, word);
        size_t taken = space ? length + 1 : length;
        rest = (struct span){rest.data + taken, rest.length - taken};
    }
}

/* "    label       text" */
static void print_labelled(const struct screen *screen, const char *label, const char *text) {
    fputs("  ", screen->out);
    tab(screen, paint(screen, DIM, label), 12);
    print_wrapped(screen, text, 14);
    fputc('\n', screen->out);
}

static void print_sentence(const struct screen *screen, const struct finding *finding) {
    static const char *const labels[] = {"LEAK", "LIKELY LEAK", "POSSIBLE LEAK"};
    size_t at = paint(screen, finding->confidence == CONFIDENCE_POSSIBLE ? YELLOW : RED,
                      labels[finding->confidence]);
    at = tab(screen, at, 7);
    at += paint(screen, BOLD, finding->title);
    if (finding->bytes) {
        if (at + 2 > COLUMN_SIZE) {
            fputs("\n", screen->out);
            at = 0;
        }
        tab(screen, at, at ? COLUMN_SIZE : 7);
        if (finding->holder_entries)
            fprintf(screen->out, "%s entries · ", words_count(finding->holder_entries).text);
        fputs(words_bytes(finding->bytes).text, screen->out);
        if (finding->heap_share > 0)
            fprintf(screen->out, " = %s of the heap", words_percent(finding->heap_share).text);
    }
    fputs("\n\n", screen->out);
}

static void print_holder(const struct screen *screen, const struct finding *finding) {
    fputs("  ", screen->out);
    size_t width = words_print(screen->out, finding->path);
    size_t at = 2 + width;
    if (finding->holder_type) {
        at = tab(screen, at, COLUMN_TYPE);
        at += words_print(screen->out, finding->holder_type);
    }
    if (finding->bytes) {
        tab(screen, at, COLUMN_SIZE);
        fputs(words_bytes(finding->bytes).text, screen->out);
    }
    fputs("\n  ", screen->out);
    char marker[512];
    if (width >= sizeof marker)
        width = sizeof marker - 1;
    memset(marker, '~', width);
    marker[width] = 0;
    paint(screen, RED, marker);
    fputc('\n', screen->out);
}

static void print_below(const struct screen *screen, const struct finding *finding) {
    for (size_t i = 0; i < finding->below_count; i++) {
        const struct holder_step *step = &finding->below[i];
        fprintf(screen->out, "%*s└ ", (int)(4 + 4 * i), "");
        size_t at = 6 + 4 * i;
        if (step->edge && *step->edge) {
            at += words_print(screen->out, step->edge) + 3;
            fputs(" → ", screen->out);
        }
        at += words_print(screen->out, step->type ? step->type : "object");
        if (step->objects > 1) {
            at = tab(screen, at, COLUMN_TYPE);
            struct words count = words_count(step->objects);
            fprintf(screen->out, "× %s", count.text);
            at += 2 + strlen(count.text);
        }
        if (step->bytes) {
            tab(screen, at, COLUMN_SIZE);
            fputs(words_bytes(step->bytes).text, screen->out);
        }
        fputc('\n', screen->out);
    }
}

static void print_grows(const struct screen *screen, const struct finding *finding) {
    if (!finding->grow_count)
        return;
    fputs("  ", screen->out);
    tab(screen, paint(screen, DIM, "grew by"), 12);
    for (size_t i = 0; i < finding->grow_count && i < GROWS_MAX; i++) {
        const struct grown_type *type = &finding->grows[i];
        fprintf(screen->out, "%s%s ", i ? ", " : "", words_count(type->count).text);
        words_print(screen->out, type->type);
        fprintf(screen->out, " (%s)", words_bytes(type->bytes).text);
    }
    if (finding->grow_count > GROWS_MAX)
        fputs(", ...", screen->out);
    fputc('\n', screen->out);
}

static void print_native(const struct screen *screen, const struct source_line *line) {
    if (!line->native_count)
        return;
    fputs("  ", screen->out);
    tab(screen, 0, 12);
    fputs("  in ", screen->out);
    native_print(line->native, line->native_count, screen->out);
    fputc('\n', screen->out);
}

static void print_lines(const struct screen *screen, const char *label, const struct source_line *lines,
                        size_t count) {
    for (size_t i = 0; i < count && i < LINES_MAX; i++) {
        fputs("  ", screen->out);
        size_t at = tab(screen, i ? 0 : paint(screen, DIM, label), 12) + 2;
        at += words_print(screen->out, lines[i].file ? words_file(lines[i].file, "") : "?");
        char line[24];
        snprintf(line, sizeof line, ":%d", lines[i].line);
        at += words_print(screen->out, line);
        if (lines[i].function) {
            at = tab(screen, at, COLUMN_TYPE);
            at += words_print(screen->out, lines[i].function) + 2;
            fputs("()", screen->out);
        }
        if (lines[i].share > 0) {
            tab(screen, at, COLUMN_SIZE);
            fprintf(screen->out, "%s of the growth", words_percent(lines[i].share).text);
        }
        fputc('\n', screen->out);
        print_native(screen, &lines[i]);
    }
}

static void print_evidence(const struct screen *screen, const struct finding *finding) {
    if (!finding->evidence_count)
        return;
    fputs("  ", screen->out);
    size_t at = tab(screen, paint(screen, DIM, "evidence"), 12);
    for (size_t i = 0; i < finding->evidence_count && i < EVIDENCE_MAX; i++) {
        size_t width = words_width(finding->evidence[i]);
        if (i > 0 && at + 3 + width > LINE_WIDTH) {
            fprintf(screen->out, "\n%*s", 14, "");
            at = 12;
        } else if (i > 0) {
            fputs(" · ", screen->out);
            at += 3;
        }
        at += words_print(screen->out, finding->evidence[i]);
    }
    fputc('\n', screen->out);
}

static void print_finding(const struct screen *screen, const struct finding *finding) {
    print_sentence(screen, finding);
    if (finding->path) {
        print_holder(screen, finding);
        print_below(screen, finding);
    }
    print_grows(screen, finding);
    print_lines(screen, "allocated", finding->allocated_at, finding->allocated_count);
    print_lines(screen, "written by", finding->written_by, finding->written_count);
    if (finding->cause)
        print_labelled(screen, "cause", finding->cause);
    if (finding->advice)
        print_labelled(screen, "fix", finding->advice);
    print_evidence(screen, finding);
    fputc('\n', screen->out);
}

/* The answer when there is no finding to put first. */
static void print_outcome(const struct screen *screen, const struct verdict *verdict) {
    if (verdict->outcome == VERDICT_LEAK)
        return;
    bool clean = verdict->outcome == VERDICT_NO_LEAK;
    tab(screen, paint(screen, clean ? GREEN : YELLOW, clean ? "NO LEAK" : "INCONCLUSIVE"), 10);
    paint(screen, BOLD, clean ? "nothing grows steadily" : "not enough was seen to say yes or no");
    fprintf(screen->out, "; %s live in %s objects", words_bytes(verdict->live_bytes).text,
            words_count(verdict->live_objects).text);
    if (verdict->snapshots > 1)
        fprintf(screen->out, ", growing by %s", words_rate(verdict->live_bytes_per_second).text);
    fputs("\n\n", screen->out);
}

static void print_not_leaks(const struct screen *screen, const struct verdict *verdict) {
    if (!verdict->not_leak_count)
        return;
    size_t at = tab(screen, paint(screen, GREEN, "NOT A LEAK"), 13);
    for (size_t i = 0; i < verdict->not_leak_count; i++) {
        size_t width = words_width(verdict->not_leaks[i].title);
        if (i > 0 && at + 3 + width > LINE_WIDTH) {
            fprintf(screen->out, "\n%*s", 13, "");
            at = 13;
        } else if (i > 0) {
            fputs(" · ", screen->out);
            at += 3;
        }
        at += words_print(screen->out, verdict->not_leaks[i].title);
    }
    fputs("\n\n", screen->out);
}

static void print_resident(const struct screen *screen, const struct verdict *verdict) {
    if (!verdict->rss_known)
        return;
    const struct resident_split *rss = &verdict->rss;
    const struct {
        const char *name;
        uint64_t bytes;
    } parts[] = {
        {"Python objects", rss->python_objects}, {"libraries", rss->libraries}, {"stacks", rss->stacks},
        {"shared", rss->shared},                 {"other", rss->other},
    };
    fprintf(screen->out, "RSS %s =", words_bytes(rss->total).text);
    const char *separator = " ";
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (!parts[i].bytes)
            continue;
        fprintf(screen->out, "%s%s %s", separator, parts[i].name, words_bytes(parts[i].bytes).text);
        separator = " + ";
    }
    if (verdict->snapshots > 1)
        fprintf(screen->out, "; grows by %s", words_rate(verdict->rss_bytes_per_second).text);
    fputc('\n', screen->out);
}

static void print_coverage(const struct screen *screen, const struct verdict *verdict) {
    fprintf(screen->out, "seen: %s%s objects of the garbage collector, %s objects and ", verdict->faults ? "" : "all ",
            words_count(verdict->gc_objects).text, words_count(verdict->objects).text);
    fprintf(screen->out, "%s references in all", words_count(verdict->references).text);
    if (verdict->counts_checked)
        fprintf(screen->out, ", which explain %s of the reference counts",
                words_share(verdict->counts_explained, verdict->counts_checked).text);
    if (verdict->faults)
        fprintf(screen->out, ", %s could not be read", words_count(verdict->faults).text);
    fprintf(screen->out, "; the garbage collector was not run%s\n",
            verdict->garbage_collector_enabled ? "" : " and is disabled");
}

void report_verdict_text(const struct verdict *verdict, FILE *out, bool colour) {
    struct screen screen = {out, colour};
    print_header(&screen, verdict);
    print_outcome(&screen, verdict);
    for (size_t i = 0; i < verdict->finding_count; i++)
        print_finding(&screen, &verdict->findings[i]);
    print_not_leaks(&screen, verdict);
    print_resident(&screen, verdict);
    print_coverage(&screen, verdict);
    for (size_t i = 0; i < verdict->note_count; i++)
        print_labelled(&screen, "note", verdict->notes[i]);
}
