/* Stops the threads of a process by ptrace and lets them go.
 *
 * Everything here belongs to the calling thread: the kernel lets go of whatever it holds when it ends, so a
 * tracer that wants to give up at any point only has to return. Threads that do not stop in time (they wait
 * in a vfork or for a disk) can be let go in no other way. */
#ifndef CAULK_MEMORY_STOP_H
#define CAULK_MEMORY_STOP_H

#include "base/map.h"
#include "base/vector.h"

#include <stdbool.h>
#include <sys/types.h>

enum stop_outcome {
    STOP_DONE,
    STOP_LATE,    /* a thread did not stop in time */
    STOP_GONE,    /* the process ended */
    STOP_REFUSED, /* not permitted, or traced by somebody else */
};

enum stop_state { STOP_RUNS, STOP_STANDS, STOP_ENDED };

/* The kernel keeps ignored signals for a tracer to see, such as that a child of a traced thread ended, and
 * they interrupt waits of other threads, which no tracer sees if those are not traced. So threads are seized
 * in this order and let go in the opposite one. */
enum stop_order {
    STOP_FRAGILE, /* waits in a way that any signal breaks off */
    STOP_PLAIN,
    STOP_BUSY,   /* runs: it may be about to wait, or to fork */
    STOP_PARENT, /* likely to have children: the main thread, and those that wait for one */
    STOP_ORDERS,
};

struct stop_thread {
    pid_t thread;
    enum stop_state state;
    enum stop_order order;
};

/* All zeros but `pid` is nothing stopped. */
struct stop {
    int pid;
    struct vector threads; /* struct stop_thread */
    struct map known;      /* thread to index */
    double begin;          /* of the first interrupt */
};

/* Seconds of the monotonic clock. */
double stop_clock(void);

/* Stops all threads of the process, or the one `thread`, within `seconds`. */
enum stop_outcome stop_all(struct stop *stop, double seconds);
enum stop_outcome stop_one(struct stop *stop, pid_t thread, double seconds);

/* Lets the stopped threads go on, infinite waits that the stop broke off included. */
void stop_release(struct stop *stop);

/* The same when some have not stopped: each of them is let go when it does, until `deadline`. */
void stop_give_up(struct stop *stop, double deadline);

/* Waits for a report of `thread` until `deadline`; false if there is none. */
bool stop_wait(pid_t thread, double deadline, int *status_out);

/* The status is the stop that PTRACE_INTERRUPT or birth makes. */
bool stop_is_trap(int status);

/* Goes on from a stop that is not the one that is waited for, and hands the signal on. */
bool stop_pass(pid_t thread, int request, int status);

#endif
