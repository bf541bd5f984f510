/* A process that runs: reads see it change. For the few words that are needed before the stop. */
#ifndef CAULK_MEMORY_LIVE_H
#define CAULK_MEMORY_LIVE_H

#include "memory/memory.h"

/* What /proc says of a process, for messages and for the verdict. */
struct live_identity {
    int pid;
    char executable[4096]; /* "" if unreadable */
    char command[4096];    /* argv, its NULs turned into \x1f; see live_command_words */
    size_t command_length;
    uint64_t start_time;   /* clock ticks since boot: tells a reused pid */
    uint64_t resident;     /* bytes */
    int threads;
};

/* Opens process `pid` for reading. Errors, one line each and with the remedy: no such process, a zombie, a
 * kernel thread, not permitted (says which of sudo, ptrace_scope, CAP_SYS_PTRACE helps), a 32-bit program,
 * our own pid, traced already (names the tracer). */
struct error *live_open(int pid, struct memory **out);

struct error *live_identify(int pid, struct live_identity *out);

/* Resident memory of the process by what it is, in bytes, from smaps (sums of Rss). */
struct live_resident {
    uint64_t total, anonymous, file, shared, stacks, swapped;
};
struct error *live_resident(int pid, struct live_resident *out);

/* How the process got on with the processors since it began, summed over the threads that it has now: seconds on a
 * processor, seconds ready to run but waiting for one, and how often a thread had nothing to do and waited. False if the
 * kernel does not tell. */
struct live_schedule {
    double running, waiting;
    uint64_t rests;
};
bool live_schedule(int pid, struct live_schedule *out);

#endif
