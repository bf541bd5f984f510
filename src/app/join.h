/* Step 8 of the pipeline: the samples of a process beside its heap. */
#ifndef CAULK_APP_JOIN_H
#define CAULK_APP_JOIN_H

#include "app/pipeline.h"

/* Reads the recording of process `pid`, if it has one, and finds the objects that its live samples are. The
 * stage's heap must have been captured from that process just now. */
struct error *join_samples(struct stage *stage, int pid);

/* Whether process `pid` has a recording. */
bool join_has_recording(int pid);

/* Puts the sampler into process `pid` for the time of a watch, unless it is there already; *attached_out says whether
 * it was not. join_end takes it out again. */
struct error *join_begin(int pid, bool *attached_out);
void join_end(int pid);

#endif
