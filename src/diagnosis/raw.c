/* Native memory that grows. */
#include "diagnosis/raw.h"

#include "diagnosis/allocated.h"
#include "diagnosis/amount.h"
#include "diagnosis/holder.h"
#include "diagnosis/write.h"

enum { EVIDENCE_MOST = 4 };

struct raw_words {
    enum finding_kind kind;
    const char *title, *cause, *advice; /* the title has a place for the path */
};

static const struct raw_words words_of_kind[RAW_KIND_COUNT] = {
    [RAW_LOST] = {
        KIND_NATIVE_LEAK,
        "native memory that nothing points to grows by ",
        "C code asked malloc for these blocks and forgot them: no pointer to them is left in the process",
        "look for the C extension that is called by the lines where they are allocated (caulk leaks --lines): each "
        "malloc needs its free, on error paths too; update the extension, or restart workers regularly",
    },
    [RAW_OBJECT] = {
        KIND_NATIVE_GROWTH,
        "native memory of %s grows by ",
        "objects of a C type hold ever more native memory, which Python does not see",
        "close or release the object (close(), clear(), a with statement) or make a new one now and then; look in its "
        "documentation for what bounds its buffers",
    },
    [RAW_LIBRARY] = {
        KIND_NATIVE_GROWTH,
        "native memory of %s grows by ",
        "a table or list of the library's own only grows: its data lead to ever more blocks",
        "look for the library's function that empties or bounds it; update the library, or restart workers regularly",
    },
    [RAW_OTHER] = {
        KIND_NATIVE_GROWTH,
        "native memory of %s grows by ",
        "native code holds ever more blocks, from its own mappings or from threads' stacks",
        "look for the C extension that is called by the lines where they are allocated (caulk leaks --lines)",
    },
};

/* The snapshots in which somebody looked: those from some point on. */
struct looked_at {
    const struct observation *first;
    size_t count;
};

static struct looked_at find_looked_at(const struct evidence *evidence) {
    struct looked_at looked = {evidence->observations, evidence->observation_count};
    for (; looked.count && !looked.first->raw.known; looked.first++)
        looked.count--;
    return looked;
}

/* A snapshot that had no such part has 0 bytes of it. */
static struct series_trend trend_of(const struct looked_at *looked, uint64_t key, uint64_t least) {
    struct arena scratch = {0};
    struct series_trend trend;
    double *bytes = arena_new(&scratch, double, looked->count);
    for (size_t i = 0; i < looked->count; i++) {
        const struct raw_part *part = raw_parts_find(&looked->first[i].raw, key);
        bytes[i] = part ? (double)part->bytes : 0;
    }
    growth_judge(looked->first, looked->count, bytes, (double)least, &trend);
    arena_deinit(&scratch);
    return trend;
}

static const char *write_object_path(const struct evidence *evidence, const struct raw_part *part, struct arena *arena) {
    const struct path_tree *tree = &evidence->observations[evidence->observation_count - 1].tree;
    const struct graph *graph = &evidence->heap->graph;
    struct path_step *steps;
    struct text text = {0};
    if (part->path_node == UINT32_MAX || part->example == NODE_NONE)
        return "<objects of C types>";
    size_t count = paths_steps(graph, evidence->paths, part->example, arena, &steps);
    holder_fold_steps(steps, count, holder_single_depth(tree, part->path_node));
    paths_write(graph, evidence->reach, steps, count, &text);
    const char *path = arena_copy_text(arena, text_get(&text), text.length);
    text_deinit(&text);
    return path;
}

static const char *write_path(const struct evidence *evidence, const struct raw_part *part, struct arena *arena) {
    switch (part->kind) {
    case RAW_LIBRARY: return arena_format(arena, "<C data of %.*s>", (int)part->library.length, part->library.data);
    case RAW_OBJECT: return write_object_path(evidence, part, arena);
    case RAW_OTHER: return "<memory of native code>";
    case RAW_LOST:
    case RAW_KIND_COUNT: break;
    }
    return "<nobody: lost by C code>";
}

static void write_evidence(const struct raw_part *part, const struct raw_part *before, const struct series_trend *trend,
                           struct arena *arena, struct finding *out) {
    uint64_t earlier = before ? before->blocks : 0, more = part->blocks > earlier ? part->blocks - earlier : 0;
    out->evidence = arena_new(arena, const char *, EVIDENCE_MOST);
    out->evidence[out->evidence_count++] =
        arena_format(arena, "grew in %zu of %zu intervals", trend->risen, trend->intervals);
    out->evidence[out->evidence_count++] = amount_rate(arena, trend->slope);
    if (more)
        out->evidence[out->evidence_count++] = arena_format(arena, "%s more blocks", amount_count(arena, more));
    if (part->kind == RAW_LOST)
        out->evidence[out->evidence_count++] = "no word in objects, libraries, stacks or mappings leads to them";
}

static const char *write_title(const struct raw_words *words, const char *path, double slope, struct arena *arena) {
    const char *place = strstr(words->title, "%s"), *rate = amount_rate(arena, slope);
    if (!place)
        return arena_format(arena, "%s%s", words->title, rate);
    return arena_format(arena, "%.*s%s%s%s", (int)(place - words->title), words->title, path, place + 2, rate);
}

static void write_finding(const struct evidence *evidence, const struct raw_part *part, const struct looked_at *looked,
                          const struct series_trend *trend, struct arena *arena, struct finding *out) {
    const struct raw_words *words = &words_of_kind[part->kind];
    double seconds = looked->first[looked->count - 1].time - looked->first[0].time;
    *out = (struct finding){
        .kind = words->kind,
        .confidence = finding_confidence(trend, seconds),
        .path = write_path(evidence, part, arena),
        .root = "native memory",
        .bytes = part->bytes,
        .exclusive_bytes = part->bytes,
        .objects = part->blocks,
        .bytes_per_second = trend->slope,
        .low = trend->low,
        .high = trend->high,
        .cause = words->cause,
        .advice = words->advice,
    };
    out->title = write_title(words, out->path, trend->slope, arena);
    if (part->kind == RAW_OBJECT && part->example != NODE_NONE) {
        const struct graph_type *type = graph_type_of(&evidence->heap->graph, part->example);
        out->holder_type = amount_type_name(arena, type->module, type->name);
    }
    write_evidence(part, raw_parts_find(&looked->first->raw, part->key), trend, arena, out);
    allocated_fill_raw(evidence, arena, out);
}

/* Whether more such objects are the reason, and not more that each of them holds. */
static bool multiplies(const struct comparison *comparison, const struct looked_at *looked, const struct raw_part *part) {
    enum { LEAST_MORE = 4 };
    if (part->path_node == UINT32_MAX || comparison->objects[part->path_node] < LEAST_MORE)
        return false;
    const struct raw_part *before = raw_parts_find(&looked->first->raw, part->key);
    double grown = (double)part->bytes - (before ? (double)before->bytes : 0);
    double each = (double)part->bytes / (double)comparison->tree->nodes[part->path_node].objects;
    return each * (double)comparison->objects[part->path_node] >= grown / 2;
}

static uint32_t container_of(const struct comparison *comparison, uint32_t node) {
    while (node != 0 && comparison->objects[node] > 0)
        node = comparison->tree->nodes[node].parent;
    return node;
}

static const struct raw_parts *last_parts(const struct evidence *evidence) {
    return &evidence->observations[evidence->observation_count - 1].raw;
}

size_t raw_candidates(const struct comparison *comparison, uint64_t least, struct arena *arena, struct candidate *out) {
    const struct raw_parts *last = last_parts(comparison->evidence);
    struct looked_at looked = find_looked_at(comparison->evidence);
    size_t count = 0;
    for (size_t i = 0; i < last->count && count < RAW_FINDINGS_MOST; i++) {
        const struct raw_part *part = &last->list[i];
        if (part->bytes < least || !multiplies(comparison, &looked, part))
            continue;
        struct series_trend trend = trend_of(&looked, part->key, least);
        uint32_t container = container_of(comparison, part->path_node);
        if (trend.verdict != SERIES_GROWS || container == 0)
            continue;
        const struct raw_part *before = raw_parts_find(&looked.first->raw, part->key);
        struct growth_holder held = {.node = container, .example = comparison->tree->nodes[container].example,
                                     .bytes = trend, .child = UINT32_MAX};
        held.grown_bytes = part->bytes - (before ? before->bytes : 0);
        candidate_from_holder(comparison, &held, arena, &out[count]);
        out[count++].raw_bytes = part->bytes;
    }
    return count;
}

size_t raw_find(const struct comparison *comparison, uint64_t least, struct arena *arena, struct finding *out) {
    const struct evidence *evidence = comparison->evidence;
    const struct raw_parts *last = last_parts(evidence);
    struct looked_at looked = find_looked_at(evidence);
    size_t count = 0;
    for (size_t i = 0; i < last->count; i++) {
        const struct raw_part *part = &last->list[i];
        if (part->bytes < least || multiplies(comparison, &looked, part))
            continue;
        struct series_trend trend = trend_of(&looked, part->key, least);
        if (trend.verdict != SERIES_GROWS)
            continue;
        struct finding finding;
        write_finding(evidence, part, &looked, &trend, arena, &finding);
        count = finding_insert(out, count, RAW_FINDINGS_MOST, &finding);
    }
    return count;
}
