/* Step 8 of the pipeline: the samples of a process beside its heap. */
#ifndef CAULK_APP_JOIN_H
#define CAULK_APP_JOIN_H

#include "app/pipeline.h"
#include "app/recordings.h"

/* A recording as it was just before a snapshot. */
struct join {
    struct arena arena;
    struct recording recording;
    bool found;
};

/* Reads the recording of process `pid`, if it has one: before the snapshot, because a process may end while that is
 * looked at. What goes wrong is a recording that is not there. pid 0 is no process. */
void join_open(int pid, struct join *out);
void join_close(struct join *join);

/* Finds the objects that the live samples are, in the heap of the stage, which owns them from now on. */
void join_samples(struct stage *stage, struct join *join);

/* An error if process `pid` is sampled already, but not with all of these (enum wire_flag). */
struct error *join_check(int pid, uint32_t wanted);

/* Has process `pid` sampled for the time of a watch, by these words (agent/agent.h), unless it is already; *attached_out
 * says whether it was not. join_end takes the sampler out again. */
struct error *join_begin(int pid, const char *words, bool *attached_out);
void join_end(int pid);

/* Samples what native code takes of malloc too, where join_begin put the sampler in, once raw memory grows. */
void join_widen(struct watch *watch, const struct history *history);

#endif
