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

/* Whether process `pid` has a recording. */
bool join_has_recording(int pid);

/* Puts the sampler into process `pid` for the time of a watch, unless it is there already; *attached_out says whether
 * it was not. join_end takes it out again. */
struct error *join_begin(int pid, bool *attached_out);
void join_end(int pid);

#endif
