/* What the sampler saw, decoded: stacks with what they allocated, and live blocks by address.
 *
 * Made from the bytes of a recording (wire/wire.h), which may be from a dead process or a hostile hand: every
 * index is checked, nothing is trusted. Immutable once made. */
#ifndef CAULK_SAMPLES_SAMPLES_H
#define CAULK_SAMPLES_SAMPLES_H

#include "base/arena.h"
#include "base/error.h"
#include "base/source.h"
#include "base/span.h"
#include "wire/wire.h"

#define SAMPLES_NONE UINT32_MAX

struct samples_frame {
    uint32_t parent;    /* index into frames; SAMPLES_NONE for the root */
    uint32_t kind;      /* enum wire_frame_kind */
    uint32_t line;
    struct source_extent extent; /* of a Python frame, from 3.11 on */
    struct span file, function;
    struct span module, build_id; /* of a native frame: the path of the file that ran */
    uint64_t address;
};

/* What lives, what was ever allocated, what there was at the peak. Estimates, rounded; exact if samples->exact. */
struct samples_amounts {
    uint64_t live_bytes, live_count, total_bytes, total_count, peak_bytes, peak_count;
};

struct samples_stack {
    uint32_t frame; /* leaf */
    struct samples_amounts amounts;
    uint64_t samples_live, samples;
    uint64_t cohort_bytes[WIRE_COHORTS];
};

struct samples_block {
    uint64_t address, size;
    uint32_t stack; /* index into stacks */
    uint32_t born;  /* milliseconds since samples->head.clock */
    double weight;  /* blocks that it stands for */
};

struct samples_line {
    struct span file, function;
    uint32_t line;
    struct source_extent extent; /* of the line's expression that held most at the peak */
    struct samples_amounts amounts;
    uint64_t samples_live;
};

struct samples {
    struct wire_head head; /* checked: version, sizes, regions inside the file */
    bool exact;            /* every allocation was taken */
    struct samples_frame *frames;
    size_t frame_count;
    struct samples_stack *stacks;
    size_t stack_count;
    struct wire_moment *moments;
    size_t moment_count;
    struct samples_block *blocks; /* live ones by address; empty without samples_add_spans */
    size_t block_count;
    uint64_t faults; /* entries that made no sense and were left out */
};

/* Refuses the head of a recording, in planes or not, of another version than this one. */
struct error *samples_check_version(const void *bytes, size_t length, const char *name);

/* Decodes a recording. Refuses what is no recording, or one of another version. Copies; `bytes` may go. O(bytes). */
struct error *samples_read(const void *bytes, size_t length, const char *name, struct arena *arena, struct samples *out);

/* Adds the live blocks of the reserved range: `bytes` are the target's memory from head.range_base on, at most
 * head.range_used of them. Unreadable parts are zeros. Keeps blocks sorted by address. */
void samples_add_spans(struct samples *samples, const void *bytes, size_t length, struct arena *arena);

/* The live block that holds `address`, or NULL. O(log blocks). */
const struct samples_block *samples_find(const struct samples *samples, uint64_t address);

/* The innermost Python frame at or above `frame` that is code of a file (not frozen importlib and the like if
 * there is another one); SAMPLES_NONE if there is none. */
uint32_t samples_line_of(const struct samples *samples, uint32_t frame);

/* The native frames of a stack below its innermost Python frame, innermost first; how many. */
size_t samples_native_chain(const struct samples *samples, uint32_t leaf, uint32_t *frames, size_t capacity);

void samples_amounts_add(struct samples_amounts *to, const struct samples_amounts *from);
bool samples_amounts_are_zero(const struct samples_amounts *amounts);

/* For qsort: most bytes at the peak first, then most in all. */
int samples_amounts_by_peak(const struct samples_amounts *a, const struct samples_amounts *b);

/* All stacks folded by the line that allocated, largest live_bytes first. O(stacks log stacks). */
struct samples_line *samples_lines(const struct samples *samples, struct arena *arena, size_t *count_out);

/* Poisson interval of 95 % for an estimate that rests on `samples_live` samples: factors on the estimate. */
void samples_interval(uint64_t samples_live, double *low_out, double *high_out);

/* A compact recording in planes, for files: the same length, in an order that packs several times better (docs/WIRE.md).
 * False if the bytes are no such thing; `out` has room for `length` bytes. */
bool samples_to_planes(const void *bytes, size_t length, void *out);
bool samples_are_planes(const void *bytes, size_t length);
bool samples_from_planes(const void *bytes, size_t length, void *out);

/* Two recordings of one tree of processes as one: stacks with equal frames are added. */
void samples_merge(const struct samples *const *parts, size_t count, struct arena *arena, struct samples *out);

#endif
