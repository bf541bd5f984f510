/* The parts of a verdict that are no conclusion. */
#include "diagnosis/summary.h"

#include "diagnosis/amount.h"
#include "diagnosis/resident.h"

enum { NOTES_MOST = 8, WORD_END = '\x1f' };

static const char *copy(struct arena *arena, const char *text) {
    return arena_copy_text(arena, text, strlen(text));
}

static void split_command(const char *command, struct arena *arena, struct verdict *out) {
    size_t words = *command != 0;
    for (const char *at = command; *at; at++)
        words += *at == WORD_END;
    out->argv = arena_new(arena, const char *, words + 1);
    while (out->argv_count < words) {
        const char *end = strchrnul(command, WORD_END);
        out->argv[out->argv_count++] = arena_copy_text(arena, command, (size_t)(end - command));
        command = end + (*end != 0);
    }
}

static void fill_totals(const struct evidence *evidence, struct verdict *out) {
    const struct graph *graph = &evidence->heap->graph;
    const struct heap_facts *facts = &evidence->heap->facts;
    out->objects = graph->node_count - graph->synthetic_count;
    out->references = graph->edge_count;
    out->gc_objects = facts->gc_objects;
    out->faults = facts->faults > graph->faults ? facts->faults : graph->faults;
    out->garbage_collector_enabled = facts->gc_enabled;
    out->counts_checked = evidence->refcounts ? evidence->refcounts->checked : 0;
    out->counts_explained = evidence->refcounts ? evidence->refcounts->exact : 0;
    out->live_bytes = evidence->reach->bytes[REACH_LIVE] + evidence->reach->bytes[REACH_NATIVE];
    out->live_objects = evidence->reach->objects[REACH_LIVE] + evidence->reach->objects[REACH_NATIVE];
}

static void fill_window(const struct evidence *evidence, struct arena *arena, struct verdict *out) {
    size_t count = evidence->observation_count;
    out->snapshots = count ? count : 1;
    if (count)
        out->seconds = evidence->observations[count - 1].time - evidence->observations[0].time;
    if (evidence->pause_ms) {
        double *pauses = arena_new(arena, double, out->snapshots);
        memcpy(pauses, evidence->pause_ms, out->snapshots * sizeof *pauses);
        out->pause_ms = pauses;
    }
    if (count > 1) {
        out->live_bytes_per_second = evidence->growth->live.slope;
        out->rss_bytes_per_second = evidence->growth->rss.slope;
    }
}

void summary_fill(const struct evidence *evidence, struct arena *arena, struct verdict *out) {
    const struct heap_facts *facts = &evidence->heap->facts;
    out->pid = facts->pid;
    out->python = copy(arena, facts->python);
    out->executable = copy(arena, facts->executable);
    split_command(facts->command, arena, out);
    fill_totals(evidence, out);
    fill_window(evidence, arena, out);
    resident_split_fill(evidence, out);
}

static void add_note(struct verdict *out, const char *note) {
    if (out->note_count < NOTES_MOST)
        out->notes[out->note_count++] = note;
}

/* Resident memory of its own accord, beside what Python's objects gained. */
static void note_native_growth(const struct evidence *evidence, struct arena *arena, struct verdict *out) {
    enum { LEAST_RATE = 32 << 10 };
    const struct growth *growth = evidence->growth;
    double found = 0, objects = growth->live.slope + growth->garbage.slope;
    for (size_t i = 0; i < out->finding_count; i++)
        found += out->findings[i].bytes_per_second;
    double beside = growth->rss.slope - (found > objects ? found : objects);
    if (growth->rss.verdict == SERIES_GROWS && beside > LEAST_RATE && beside > growth->rss.slope / 2)
        add_note(out, arena_format(arena,
                                   "resident memory grows by %s outside of Python objects, and no steady growth of "
                                   "native blocks explains it: allocator slack, mappings or files",
                                   amount_rate(arena, beside)));
}

void summary_add_notes(const struct evidence *evidence, struct arena *arena, struct verdict *out) {
    out->notes = arena_new(arena, const char *, NOTES_MOST);
    bool watched = evidence->observation_count > 1;
    if (!watched)
        add_note(out, "one snapshot cannot tell a leak: it has no time in it");
    else if (out->outcome == VERDICT_INCONCLUSIVE)
        add_note(out,
                 arena_format(arena,
                              "%zu snapshots in %.1f s are too few for a verdict: watch for 8 seconds or "
                              "more",
                              out->snapshots, out->seconds));
    if (watched)
        note_native_growth(evidence, arena, out);
    if (!out->garbage_collector_enabled)
        add_note(out, "the garbage collector is disabled in the process (gc.disable())");
    if (out->faults)
        add_note(out, arena_format(arena, "%s objects could not be read", amount_count(arena, out->faults)));
}

void summary_add_note(struct verdict *verdict, struct arena *arena, const char *note) {
    const char **notes = arena_new(arena, const char *, verdict->note_count + 1);
    if (verdict->note_count)
        memcpy(notes, verdict->notes, verdict->note_count * sizeof *notes);
    notes[verdict->note_count++] = note;
    verdict->notes = notes;
}
