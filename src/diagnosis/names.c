/* The words that stand for the enumerations in the JSON verdict. */
#include "diagnosis/finding.h"

const char *finding_kind_name(enum finding_kind kind) {
    static const char *const names[KIND_COUNT] = {
        [KIND_GROWING_CONTAINER] = "growing-container",
        [KIND_UNBOUNDED_CACHE] = "unbounded-cache",
        [KIND_REGISTERED_CALLBACK] = "registered-callback",
        [KIND_WAITING_CYCLE] = "waiting-cycle",
        [KIND_PINNED_FRAME] = "pinned-frame",
        [KIND_CAPTURED_CLOSURE] = "captured-closure",
        [KIND_THREAD_RETENTION] = "thread-retention",
        [KIND_PENDING_TASK] = "pending-task",
        [KIND_INTERPRETER_REGISTRY] = "interpreter-registry",
        [KIND_PINNED_BUFFER] = "pinned-buffer",
        [KIND_UNCONSUMED_QUEUE] = "unconsumed-queue",
        [KIND_REFCOUNT_LEAK] = "refcount-leak",
        [KIND_UNCOLLECTABLE_CYCLE] = "uncollectable-cycle",
        [KIND_NATIVE_LEAK] = "native-leak",
        [KIND_NATIVE_GROWTH] = "native-growth",
        [KIND_FRAGMENTATION] = "fragmentation",
        [KIND_CHILD_PROCESS] = "child-process",
    };
    return names[kind];
}

const char *not_leak_kind_name(enum not_leak_kind kind) {
    static const char *const names[NOT_LEAK_KIND_COUNT] = {
        [NOT_LEAK_BOUNDED_CACHE] = "bounded-cache",
        [NOT_LEAK_WARM_UP] = "warm-up",
        [NOT_LEAK_GC_SAWTOOTH] = "gc-sawtooth",
        [NOT_LEAK_STEADY_CHURN] = "steady-churn",
    };
    return names[kind];
}

const char *confidence_name(enum confidence confidence) {
    static const char *const names[] = {"certain", "likely", "possible"};
    return names[confidence];
}

const char *verdict_outcome_name(enum verdict_outcome outcome) {
    static const char *const names[] = {"no-leak", "leak", "inconclusive"};
    return names[outcome];
}
