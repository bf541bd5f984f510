/* Loads the sampler into a process that runs, and stops it there again.
 *
 * The library is loaded between two bytecodes of the target's own main thread, with the GIL held: by the door
 * that CPython 3.14 has for this (PEP 768), else by a pending call. No thread is ever made to call anything at
 * a place where it was stopped; all that a stopped thread does for us is system calls. Where anything is not
 * sure the target is left alone and the error says why. */
#ifndef CAULK_APP_ATTACH_H
#define CAULK_APP_ATTACH_H

#include "base/error.h"

#include <stdbool.h>

enum { ATTACH_PATIENCE = 10 };

enum attach_way {
    ATTACH_BY_PENDING_CALL,
    ATTACH_BY_REMOTE_DEBUGGER, /* PEP 768 */
};

struct attach_report {
    enum attach_way way;
    char remark[256];  /* why the first choice was not taken, or ""; one line */
    bool was_loaded;   /* the library was in the process already, from an earlier attach or `caulk run` */
    double paused_ms;  /* that the process stood still, all stops together */
    double waited_ms;  /* until its main thread came to a place between bytecodes */
};

/* Sampling begins in process `pid`, or goes on with these options. `options` as in agent/agent.h ("interval=N
 * file=PATH"); paths are the target's. "" is the default: the recording is then a memfd that /proc/PID/maps
 * shows by WIRE_NAME. */
struct error *attach_start(int pid, const char *options, struct attach_report *out);

/* The same with so many seconds, not ATTACH_PATIENCE, to wait for a place between bytecodes. */
struct error *attach_start_within(int pid, const char *options, double seconds, struct attach_report *out);

/* Sampling stops; what lives of the samples stays known. An error if there is no sampler in the process. */
struct error *attach_stop(int pid, struct attach_report *out);

#endif
