/* What the ways to call a function of the sampler in a running process share. */
#ifndef CAULK_APP_ATTACH_WORK_H
#define CAULK_APP_ATTACH_WORK_H

#include "app/attach.h"
#include "base/arena.h"
#include "cpython/pending.h"
#include "cpython/process.h"
#include "memory/inject.h"

struct attachment {
    int pid;
    struct memory *memory;
    struct python_process process;
    struct pending pending;
    struct arena arena;
    const char *library;   /* the file to load */
    const char *function;  /* by its name in the library */
    const char *options;   /* its argument */
    remote_address entry;  /* of the function, once the library is in the process; else 0 */
    double patience;       /* seconds to wait for a place between bytecodes */
    double deadline;       /* of stop_clock */
    struct attach_report *report;
};

/* How the call went. */
struct attach_result {
    bool called;       /* else it was not, and will not be */
    int value;         /* what the function returned */
    char message[320]; /* why it was not called, in words that follow ": "; or "" */
};

/* Looks at the process, anew if it was done before. */
struct error *attach_prepare(struct attachment *attachment);

/* Whether a file of this segment is the sampler, its first bytes. */
bool attach_is_library(const struct memory_segment *segment);

/* Each calls the function, or sees to it that it will not be called. An error is what rules out the other way too. */
struct error *attach_by_script(struct attachment *attachment, struct attach_result *out);
struct error *attach_by_door(struct attachment *attachment, struct attach_result *out);

/* An error if a seccomp filter of the process may do it harm for what the ways do. */
struct error *attach_ask_filter(struct attachment *attachment);

/* The segment with the first bytes of the file that `segment` maps; NULL if they are not mapped. */
const struct memory_segment *attach_first_segment(const struct memory *memory, const struct memory_segment *segment);

#endif
