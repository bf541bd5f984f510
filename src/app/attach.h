/* Loads the sampler into a process that runs, and stops it there again.
 *
 * The library is loaded between two bytecodes of the target's own main thread, with the GIL held: by the door
 * that CPython 3.14 has for this (PEP 768), else by a pending call. No thread is ever made to call anything at
 * a place where it was stopped; all that a stopped thread does for us is system calls. Where anything is not
 * sure the target is left alone and the error says why.
 *
 * Why the pending call is safe:
 *   - When it is made. CPython makes it between two bytecodes with the GIL held, where any Python code might run and
 *     import a library. No allocator and no loader evaluates bytecode, so nobody is inside one in that thread; the
 *     library is loaded with the GIL released, so that a thread which holds the loader's lock and wants the GIL is no
 *     deadlock.
 *   - How it gets into the queue. All threads stand still and the queue's lock is free: nobody is half-way through a
 *     change of it. What is written is what Py_AddPendingCall would write. Layout rows say where, per version, and
 *     what they say is checked on the queue itself.
 *   - What a stopped thread does. System calls only, with everything it had in a signal frame that gives it back
 *     (memory/inject.h); no instruction but those of the target's own code.
 *   - When its page goes. A harmless second call was put behind it: once that has left the queue, the first one has
 *     returned. A page is taken away only then, or after both were taken out of the queue before either was begun.
 *   - Killed at any moment we leave the target running: before the call is in the queue nothing happens, from then on
 *     it is made without us, and closes the file it came from.
 *   - A child that the target forks in between has another process number, and its copy of the call does nothing. */
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
