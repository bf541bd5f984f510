/* What a person should conclude: the verdict, complete and ready to be printed.
 *
 * Diagnosis computes it once; reports only format it. All text lives in the verdict's arena. */
#ifndef CAULK_DIAGNOSIS_FINDING_H
#define CAULK_DIAGNOSIS_FINDING_H

#include "base/arena.h"
#include "base/source.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum finding_kind {
    KIND_GROWING_CONTAINER,
    KIND_UNBOUNDED_CACHE,
    KIND_REGISTERED_CALLBACK,
    KIND_WAITING_CYCLE,
    KIND_PINNED_FRAME,
    KIND_CAPTURED_CLOSURE,
    KIND_THREAD_RETENTION,
    KIND_PENDING_TASK,
    KIND_INTERPRETER_REGISTRY,
    KIND_PINNED_BUFFER,
    KIND_UNCONSUMED_QUEUE,
    KIND_REFCOUNT_LEAK,
    KIND_UNCOLLECTABLE_CYCLE,
    KIND_NATIVE_LEAK,
    KIND_NATIVE_GROWTH,
    KIND_FRAGMENTATION,
    KIND_CHILD_PROCESS,
    KIND_COUNT,
};

enum not_leak_kind {
    NOT_LEAK_BOUNDED_CACHE,
    NOT_LEAK_WARM_UP,
    NOT_LEAK_GC_SAWTOOTH,
    NOT_LEAK_STEADY_CHURN,
    NOT_LEAK_KIND_COUNT,
};

/* "growing-container" ... as in the JSON verdict. */
const char *finding_kind_name(enum finding_kind kind);
const char *not_leak_kind_name(enum not_leak_kind kind);

enum confidence { CONFIDENCE_CERTAIN, CONFIDENCE_LIKELY, CONFIDENCE_POSSIBLE };
const char *confidence_name(enum confidence confidence);

enum verdict_outcome { VERDICT_NO_LEAK, VERDICT_LEAK, VERDICT_INCONCLUSIVE };
const char *verdict_outcome_name(enum verdict_outcome outcome);

struct holder_step {
    const char *edge; /* ".STORE", "[...]", "local buf" */
    const char *type; /* "shop.sessions.Session" */
    uint64_t address;
    uint64_t objects; /* on this step, 0 unknown */
    uint64_t bytes;   /* below this step, 0 unknown */
};

struct grown_type {
    const char *type; /* "Session", qualified with its module unless that is builtins */
    uint64_t count, bytes;
};

/* A function of native code that was on a stack. */
struct native_place {
    const char *function; /* or "library.so+0x1234" */
    const char *module;   /* path of its library or program */
    const char *build_id; /* of that, in hexadecimal digits; "" none */
    const char *file;     /* its source, NULL if it is not known */
    uint32_t line;
    bool inlined;     /* into the next one, which has the same address */
    uint64_t address; /* as the module's file counts */
};

struct source_line {
    const char *file, *function;
    int32_t line;
    struct source_extent extent; /* of the line's expression that made most */
    double share; /* 0..1 */
    struct native_place *native; /* below the line, in its heaviest stack, innermost first */
    size_t native_count;
};

struct finding {
    uint32_t rank; /* from 1 */
    int pid;       /* of the child process that it is in; 0: in the process itself */
    enum finding_kind kind;
    enum confidence confidence;
    const char *title; /* one sentence, without the final stop */
    const char *path;  /* NULL if nobody in Python holds it and no words fit */
    const char *root;  /* "module shop.sessions" */
    const char *holder_type;
    uint64_t holder_entries;   /* items in the container, 0 unknown */
    struct holder_step *steps; /* from the root to the holder */
    size_t step_count;
    struct holder_step *below; /* from the holder down the branch that grows */
    size_t below_count;
    struct grown_type *grows; /* most bytes first */
    size_t grow_count;
    uint64_t bytes, exclusive_bytes, objects; /* below the holder now; exclusive: retained by it alone */
    double heap_share;                        /* bytes / live heap */
    double bytes_per_second, low, high;       /* slope and its 95 % interval */
    double growth_share;                      /* of the heap's growth, 0..1 */
    struct source_line *allocated_at, *written_by;
    size_t allocated_count, written_count;
    const char *cause; /* "a dict that only grows: keys are added, none is removed" */
    const char *advice;
    const char **evidence;
    size_t evidence_count;
};

struct not_leak {
    enum not_leak_kind kind;
    const char *title; /* "re._cache (bounded at 512)" */
};

struct resident_split {
    uint64_t total, python_objects, libraries, stacks, shared, other; /* bytes; they add up to total */
};

struct verdict {
    int pid;
    const char *python, *executable;
    const char **argv;
    size_t argv_count;
    double seconds;
    const double *pause_ms;
    size_t snapshots;
    enum verdict_outcome outcome;
    double live_bytes_per_second, rss_bytes_per_second;
    uint64_t live_bytes, live_objects;
    struct finding *findings;
    size_t finding_count; /* at most 5 */
    struct not_leak *not_leaks;
    size_t not_leak_count;
    struct resident_split rss;
    bool rss_known;
    uint64_t gc_objects, objects, references, faults;
    uint64_t counts_checked, counts_explained; /* objects whose reference count was looked at; ... was told in full */
    bool garbage_collector_enabled;
    const char **notes;
    size_t note_count;
};

#endif
