/* From evidence to a verdict: candidates, rules, findings, what is no leak, the outcome. */
#include "diagnosis/diagnosis.h"

#include "diagnosis/excuse.h"
#include "diagnosis/holes.h"
#include "diagnosis/raw.h"
#include "diagnosis/summary.h"
#include "diagnosis/write.h"

enum {
    FINDINGS_MOST = 5,
    CANDIDATES_MOST = 24, /* holders are sorted by rate: those beyond are far below the strongest */
    LEAST_SNAPSHOTS = 4,
    LEAST_STILL_SNAPSHOTS = 3,
    LEAST_SECONDS = 3,
    FLOOR_BYTES = 32 << 10,
    FLOOR_PER_SECOND = 4 << 10,
    FLOOR_SECONDS = 30,
    FLOOR_PART_OF_HEAP = 4096,
    RAW_FACTOR = 2, /* allocators keep some blocks that were freed, and words look like pointers by chance */
};

/* A holder must have gained this much to be worth a finding. What a healthy process still takes in (interned
 * names, code on its first call, one larger hash table) is small and stops; leaks that matter go on at tens of
 * kB per second. A larger program has more of such noise. The part that rises with the time of the watch stops
 * rising, so that a long watch finds slow leaks. The figures are a choice between the two, not measurements. */
static uint64_t least_growth(const struct evidence *evidence, double seconds) {
    double timed = FLOOR_PER_SECOND * (seconds < FLOOR_SECONDS ? seconds : FLOOR_SECONDS);
    double sized = (double)evidence->observations[evidence->observation_count - 1].bytes / FLOOR_PART_OF_HEAP;
    double least = timed > sized ? timed : sized;
    return least > FLOOR_BYTES ? (uint64_t)least : FLOOR_BYTES;
}

struct work {
    const struct evidence *evidence;
    struct comparison comparison;
    struct arena *arena;
    uint64_t least;
    struct suspect *suspects;
    size_t suspect_count;
    struct excuses excuses;
};

static void judge_candidate(struct work *work, struct candidate *candidate) {
    struct suspect *suspect = &work->suspects[work->suspect_count];
    *suspect = (struct suspect){.candidate = *candidate};
    suspect->rule = rules_find(candidate, work->arena, &suspect->match);
    work->suspect_count += suspect->rule != NULL;
}

/* Table growth in steps shows in the objects: such a holder is judged by them, so its bytes may lag behind.
 */
static void judge_held(struct work *work) {
    const struct growth *growth = work->evidence->growth;
    for (size_t i = 0; i < growth->count && i < CANDIDATES_MOST; i++) {
        if (growth->holders[i].grown_bytes < work->least)
            continue;
        struct candidate candidate;
        candidate_from_holder(&work->comparison, &growth->holders[i], work->arena, &candidate);
        if (!excuse_bounded(&work->excuses, &candidate) && !excuse_with_garbage(&work->excuses, &candidate))
            judge_candidate(work, &candidate);
    }
}

static void judge_garbage(struct work *work) {
    struct candidate candidate;
    candidate_from_garbage(&work->comparison, work->arena, &candidate);
    size_t before = work->suspect_count;
    if (candidate.trend.verdict == SERIES_GROWS && candidate.grown_bytes >= work->least)
        judge_candidate(work, &candidate);
    if (work->suspect_count == before)
        excuse_garbage(&work->excuses, work->evidence, work->least);
}

/* The suspect that is the same container, NULL if there is none. */
static struct suspect *find_suspect(const struct work *work, const struct candidate *candidate) {
    for (size_t i = 0; i < work->suspect_count; i++)
        if (work->suspects[i].candidate.source == candidate->source &&
            work->suspects[i].candidate.region.extent == candidate->region.extent &&
            work->suspects[i].candidate.region.node == candidate->region.node)
            return &work->suspects[i];
    return NULL;
}

/* Small objects may hold much: their container grows by that too. */
static void judge_raw_held(struct work *work) {
    struct candidate candidates[RAW_FINDINGS_MOST];
    size_t count = raw_candidates(&work->comparison, work->least * RAW_FACTOR, work->arena, candidates);
    for (size_t i = 0; i < count; i++) {
        struct suspect *known = find_suspect(work, &candidates[i]);
        if (!known && !excuse_bounded(&work->excuses, &candidates[i])) {
            judge_candidate(work, &candidates[i]);
        } else if (known) {
            known->candidate.raw_bytes = candidates[i].raw_bytes;
            if (candidates[i].trend.slope > known->candidate.trend.slope)
                known->candidate.trend = candidates[i].trend;
        }
    }
}

static void judge_holes(struct work *work) {
    struct candidate candidate;
    if (candidate_from_holes(&work->comparison, work->least * RAW_FACTOR, work->arena, &candidate))
        judge_candidate(work, &candidate);
}

static void excuse_rest(struct work *work) {
    const struct growth *growth = work->evidence->growth;
    for (size_t i = 0; i < growth->settled_count && i < CANDIDATES_MOST; i++) {
        if (growth->settled[i].grown_bytes < work->least)
            continue;
        struct candidate candidate;
        candidate_from_holder(&work->comparison, &growth->settled[i], work->arena, &candidate);
        excuse_settled(&work->excuses, &candidate);
    }
    if (!work->suspect_count && !work->excuses.count)
        excuse_churn(&work->excuses, work->evidence);
}

static void write_findings(struct work *work, struct verdict *out) {
    size_t count = suspects_rank(work->suspects, work->suspect_count);
    count = count < FINDINGS_MOST ? count : FINDINGS_MOST;
    out->findings = arena_new(work->arena, struct finding, FINDINGS_MOST);
    for (size_t i = 0; i < count; i++)
        finding_write(&work->suspects[i], (uint32_t)i + 1, work->arena, &out->findings[i]);
    out->finding_count = count;
}

/* What objects do not explain goes among the findings by how fast it grows. */
static void add_findings(struct verdict *out, const struct finding *more, size_t count) {
    for (size_t i = 0; i < count; i++)
        out->finding_count = finding_insert(out->findings, out->finding_count, FINDINGS_MOST, &more[i]);
    for (size_t i = 0; i < out->finding_count; i++)
        out->findings[i].rank = (uint32_t)i + 1;
}

static void judge_raw(struct work *work, struct verdict *out) {
    struct finding found[RAW_FINDINGS_MOST];
    add_findings(out, found, raw_find(&work->comparison, work->least * RAW_FACTOR, work->arena, found));
}

static void keep_excuses(struct work *work, struct verdict *out) {
    out->not_leaks = arena_new(work->arena, struct not_leak, work->excuses.count + 1);
    memcpy(out->not_leaks, work->excuses.list, work->excuses.count * sizeof *out->not_leaks);
    out->not_leak_count = work->excuses.count;
}

/* Whether no part of the heap gained anything to speak of: that takes no series to see. */
static bool is_still(const struct work *work) {
    const struct growth *growth = work->evidence->growth;
    const struct observation *first = &work->evidence->observations[0];
    const struct observation *last = &work->evidence->observations[work->evidence->observation_count - 1];
    for (size_t i = 0; i < growth->settled_count; i++)
        if (growth->settled[i].grown_bytes >= work->least)
            return false;
    return growth->count == 0 && last->bytes < first->bytes + work->least &&
           last->garbage_bytes < first->garbage_bytes + work->least;
}

/* Too few looks tell a leak from a warm-up no better than a coin does. */
static enum verdict_outcome outcome_of(const struct work *work, const struct verdict *verdict) {
    if (verdict->seconds < LEAST_SECONDS || verdict->snapshots < LEAST_STILL_SNAPSHOTS)
        return VERDICT_INCONCLUSIVE;
    if (verdict->snapshots < LEAST_SNAPSHOTS)
        return is_still(work) ? VERDICT_NO_LEAK : VERDICT_INCONCLUSIVE;
    for (size_t i = 0; i < verdict->finding_count; i++)
        if (verdict->findings[i].confidence != CONFIDENCE_POSSIBLE)
            return VERDICT_LEAK;
    return VERDICT_NO_LEAK;
}

bool diagnosis_wants_holes(const struct observation *observations, size_t count) {
    return holes_grow(observations, count, FLOOR_BYTES);
}

void diagnose(const struct evidence *evidence, struct arena *arena, struct verdict *out) {
    struct work work = {.evidence = evidence, .arena = arena, .excuses = {.arena = arena}};
    *out = (struct verdict){0};
    summary_fill(evidence, arena, out);
    work.least = least_growth(evidence, out->seconds);
    work.suspects = arena_new(arena, struct suspect, CANDIDATES_MOST + RAW_FINDINGS_MOST + 2);
    comparison_make(evidence, arena, &work.comparison);
    judge_held(&work);
    judge_garbage(&work);
    judge_raw_held(&work);
    judge_holes(&work);
    write_findings(&work, out);
    judge_raw(&work, out);
    excuse_rest(&work);
    keep_excuses(&work, out);
    out->outcome = outcome_of(&work, out);
    summary_add_notes(evidence, arena, out);
}

/* Only a leak can be certain early, and only a plain one: what has a bound, or warms up, looks like one at
 * first. */
bool diagnosis_is_certain(const struct verdict *verdict, double seconds_asked) {
    enum { EARLIEST_SECONDS = 20, EARLIEST_SNAPSHOTS = 11 };
    if (verdict->outcome != VERDICT_LEAK || verdict->seconds < EARLIEST_SECONDS ||
        verdict->seconds < 0.6 * seconds_asked || verdict->snapshots < EARLIEST_SNAPSHOTS)
        return false;
    const struct finding *first = &verdict->findings[0];
    return first->confidence == CONFIDENCE_CERTAIN && first->growth_share >= 0.9;
}
