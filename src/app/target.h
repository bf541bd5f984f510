/* What a command looks at: a live process or a snapshot file. Opening either gives a heap. */
#ifndef CAULK_APP_TARGET_H
#define CAULK_APP_TARGET_H

#include "graph/heap_file.h"

struct target {
    int pid;             /* 0: it is a file */
    const char *path;
    uint64_t start_time; /* of the process that was first seen under this pid: tells when the pid is reused */
    bool pause;          /* copy while stopped instead of forking a picture */
};

/* A word of digits is a process, anything else a file. */
struct error *target_from_word(const char *word, bool pause, struct target *out);

/* Steps 1 to 4 of the pipeline on a process; reading on a file. */
struct error *target_open(struct target *target, struct heap **out);

#endif
