/* What a command looks at: a live process, a snapshot file or a core file. Opening any of them gives a heap. */
#ifndef CAULK_APP_TARGET_H
#define CAULK_APP_TARGET_H

#include "app/command.h"
#include "graph/heap_file.h"

enum { TARGET_REMARKS_MOST = 5, TARGET_REMARK_BYTES = 512 };

struct target {
    int pid;             /* 0: it is a file */
    const char *path;
    uint64_t start_time; /* of the process that was first seen under this pid: tells when the pid is reused */
    const char *types;   /* file that describes foreign types; NULL: the user's own, if there is one */
    bool pause;          /* copy while stopped instead of forking a picture */
    char remarks[TARGET_REMARKS_MOST][TARGET_REMARK_BYTES]; /* once it was opened: what is wrong with a core */
    size_t remark_count;
};

/* A word of digits is a process, anything else a file. */
struct error *target_from_word(const char *word, const struct choices *choices, struct target *out);

/* Steps 1 to 4 of the pipeline on a process, 2 to 4 on a core file; reading on a snapshot file. */
struct error *target_open(struct target *target, struct heap **out);

/* To standard error: what a reader of any result must know of the target. */
void target_print_remarks(const struct target *target);

#endif
