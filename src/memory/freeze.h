/* Stop a process, take a picture of it, let it go.
 *
 * The target pays for one fork and is otherwise untouched: no thread, descriptor, mapping, zombie or signal
 * of ours is left in it, whatever happens to us. */
#ifndef CAULK_MEMORY_FREEZE_H
#define CAULK_MEMORY_FREEZE_H

#include "memory/image.h"

/* A 32-bit word of the target that must be zero at the moment of the picture (the collector's flag). */
struct freeze_condition {
    remote_address address;
};

struct freeze_options {
    bool pause;                                /* copy while stopped instead of forking a picture */
    const struct freeze_condition *conditions; /* all must hold, else let go and try again */
    size_t condition_count;
    double give_up_after; /* seconds of tries; 0 means 10 */
};

struct freeze_statistics {
    double pause_ms; /* from the first interrupt to the last detach */
    double copy_ms;
    int retries;
    int threads;
    const char *paused; /* why it was copied while it stood still, though that was not wished; else NULL */
};

/* Takes a picture of process `pid`, copies it and lets everything go. On failure nothing of ours is left
 * and *out is NULL. */
struct error *freeze_and_copy(int pid, const struct freeze_options *options, struct image **out,
                              struct freeze_statistics *statistics);

#endif
