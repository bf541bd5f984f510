/* A suspect as a finding: title, numbers, evidence in words. */
#include "diagnosis/write.h"

#include "diagnosis/allocated.h"
#include "diagnosis/amount.h"
#include "diagnosis/holder.h"
#include "diagnosis/written.h"

#include <math.h>

enum { EVIDENCE_MOST = 10, CERTAIN_INTERVALS = 5, CERTAIN_SECONDS = 5 };

static double seconds_of(const struct evidence *evidence) {
    return evidence->observations[evidence->observation_count - 1].time - evidence->observations[0].time;
}

enum confidence finding_confidence(const struct series_trend *trend, double seconds) {
    if (trend->verdict != SERIES_GROWS)
        return CONFIDENCE_POSSIBLE;
    bool steady = trend->risen == trend->intervals && trend->intervals >= CERTAIN_INTERVALS && trend->low > 0;
    return steady && seconds >= CERTAIN_SECONDS ? CONFIDENCE_CERTAIN : CONFIDENCE_LIKELY;
}

size_t finding_insert(struct finding *list, size_t count, size_t most, const struct finding *finding) {
    size_t at = count < most ? count++ : most;
    for (; at > 0 && list[at - 1].bytes_per_second < finding->bytes_per_second; at--)
        if (at < most)
            list[at] = list[at - 1];
    if (at < most)
        list[at] = *finding;
    return count;
}

static const char *top_type(const struct candidate *candidate, struct arena *arena) {
    if (!candidate->makeup.type_count)
        return "objects";
    return amount_type_name(arena, candidate->makeup.types[0].module, candidate->makeup.types[0].name);
}

static const char *write_title(const struct suspect *suspect, struct arena *arena) {
    const struct candidate *candidate = &suspect->candidate;
    const char *rate = amount_rate(arena, candidate->trend.slope);
    if (candidate->source == CANDIDATE_NATIVE)
        return arena_format(arena, "objects that nobody in Python holds (%s) grow by %s",
                            top_type(candidate, arena), rate);
    if (suspect->rule->kind == KIND_UNCOLLECTABLE_CYCLE)
        return arena_format(arena, "cycles that the garbage collector cannot free (%s) grow by %s",
                            top_type(candidate, arena), rate);
    if (candidate->source == CANDIDATE_HOLES)
        return arena_format(arena, "memory between the objects of %s is not given back: it grows by %s", candidate->path,
                            rate);
    if (candidate->source == CANDIDATE_GARBAGE)
        return arena_format(arena, "garbage that waits for the collector (%s) grows by %s",
                            top_type(candidate, arena), rate);
    if (candidate->region.extent == EXTENT_WITH)
        return arena_format(arena, "the number of threads grows, by %s", rate);
    return arena_format(arena, "%s grows by %s", candidate->path, rate);
}

static void add_evidence(struct finding *out, const char *line) {
    if (line && out->evidence_count < EVIDENCE_MOST)
        out->evidence[out->evidence_count++] = line;
}

static const char *write_slope(const struct series_trend *trend, struct arena *arena) {
    double margin = fmax(trend->high - trend->slope, trend->slope - trend->low);
    if (trend->slope <= 0)
        return NULL;
    const char *rate = amount_rate(arena, trend->slope);
    if (trend->intervals < CERTAIN_INTERVALS || margin >= trend->slope)
        return rate;
    return arena_format(arena, "%s ± %d %%", rate, amount_percent(margin / trend->slope));
}

static const char *write_exclusive(const struct candidate *candidate, const struct finding *finding,
                                   struct arena *arena) {
    if (candidate->source != CANDIDATE_HELD || !finding->exclusive_bytes)
        return NULL;
    int percent = amount_percent(suspect_exclusive_share(candidate));
    if (percent == 0)
        return "what it holds is reachable in other ways too";
    return arena_format(arena, "%d %% of what it holds is reachable only through it", percent);
}

static void write_evidence(const struct suspect *suspect, struct arena *arena, struct finding *out) {
    const struct candidate *candidate = &suspect->candidate;
    const struct series_trend *trend = &candidate->trend;
    out->evidence = arena_new(arena, const char *, EVIDENCE_MOST);
    add_evidence(out, arena_format(arena, "grew in %zu of %zu intervals", trend->risen, trend->intervals));
    add_evidence(out, write_slope(trend, arena));
    if (candidate->growth_share >= 0.01 && candidate->source != CANDIDATE_HOLES)
        add_evidence(out, arena_format(arena, "%d %% of the growth of the heap",
                                       amount_percent(candidate->growth_share)));
    add_evidence(out, write_exclusive(candidate, out, arena));
    if (candidate->makeup.new_items > 0)
        add_evidence(out, arena_format(arena, "%s more items in %.1f s",
                                       amount_count(arena, (uint64_t)candidate->makeup.new_items),
                                       seconds_of(candidate->evidence)));
    add_evidence(out, suspect->match.evidence);
    if (candidate->raw_bytes)
        add_evidence(out, arena_format(arena, "its objects hold %s of native memory",
                                       amount_bytes(arena, (double)candidate->raw_bytes)));
    for (size_t i = 0; i < suspect->follower_count; i++)
        add_evidence(out, arena_format(arena, "%s grows in step with it", suspect->followers[i]));
}

static uint64_t count_objects(const struct candidate *candidate) {
    const struct path_node *nodes = candidate->comparison->tree->nodes;
    uint64_t objects = 0;
    if (candidate->region.extent == EXTENT_BELOW || candidate->region.extent == EXTENT_WITH)
        return nodes[candidate->region.node].subtree_objects;
    for (size_t i = 0; i < candidate->makeup.item_count; i++)
        objects += nodes[candidate->makeup.items[i].node].subtree_objects;
    return objects;
}

static void write_numbers(const struct candidate *candidate, struct finding *out) {
    const struct evidence *evidence = candidate->evidence;
    uint64_t heap = evidence->observations[evidence->observation_count - 1].bytes;
    out->bytes = suspect_bytes(candidate);
    out->objects = count_objects(candidate);
    if (candidate->source != CANDIDATE_HELD)
        out->exclusive_bytes = out->bytes;
    else if (candidate->alone && evidence->dominators)
        out->exclusive_bytes = evidence->dominators->retained[candidate->holder];
    if (out->exclusive_bytes > out->bytes)
        out->bytes =
            out->exclusive_bytes; /* the holder that a program knows has a little more than its inside */
    if (candidate->source == CANDIDATE_GARBAGE)
        heap += out->bytes;
    out->bytes += candidate->raw_bytes;
    heap += candidate->raw_bytes;
    out->heap_share = comparison_share((int64_t)out->bytes, (int64_t)heap);
    out->bytes_per_second = candidate->trend.slope;
    out->low = candidate->trend.low;
    out->high = candidate->trend.high;
    out->growth_share = candidate->growth_share;
}

void finding_write(const struct suspect *suspect, uint32_t rank, struct arena *arena, struct finding *out) {
    *out = (struct finding){.rank = rank, .kind = suspect->rule->kind};
    out->confidence = finding_confidence(&suspect->candidate.trend, seconds_of(suspect->candidate.evidence));
    out->title = write_title(suspect, arena);
    out->cause = suspect->match.cause;
    out->advice = suspect->match.advice;
    holder_describe(&suspect->candidate, arena, out);
    write_numbers(&suspect->candidate, out);
    write_evidence(suspect, arena, out);
    allocated_fill(&suspect->candidate, arena, out);
    written_fill(&suspect->candidate, arena, out);
}
