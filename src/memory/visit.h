/* A stop of a process in which it makes system calls for us and has some of its words changed.
 *
 * All threads stand still while the action runs, so what it reads is of one moment and what it writes is seen
 * by no thread half done. If we are killed, the kernel lets the threads go on; the one that makes calls gives
 * itself back what it had (inject.h). */
#ifndef CAULK_MEMORY_VISIT_H
#define CAULK_MEMORY_VISIT_H

#include "memory/inject.h"
#include "memory/stop.h"

struct visit {
    int pid;
    struct injector injector;
    struct stop stop;
    struct injection injection; /* thread 0: none has made a call yet */
    bool lost;                  /* the thread that made calls did not come back */
};

typedef void (*visit_action)(struct visit *visit, void *context);

/* Stops the process, runs the action, lets the process go on; tries again until `deadline` (stop_clock) while
 * some thread does not stop. The action runs in a thread of its own: when that ends, however it ends, the
 * kernel lets go. Adds the time that the process stood still to *stood_ms. */
struct error *visit_process(int pid, const struct injector *injector, double deadline, visit_action action, void *context,
                            double *stood_ms);

/* Makes one call by some thread; false if no thread can. A result from -4095 to -1 is an errno value. */
bool visit_call(struct visit *visit, long number, const uint64_t arguments[6], long *result_out);

/* A text in the process's memory until the end of the visit, below what its thread has in use; 0 if there is no
 * room. Replaces the one before. */
remote_address visit_text(struct visit *visit, const char *text);

/* Bytes to write, in order: if we are killed on the way the first ones are there and the rest is as it was. */
struct visit_piece {
    remote_address address;
    const void *bytes;
    size_t size;
};
enum { VISIT_PIECES_MAX = 8 };
bool visit_write(int pid, const struct visit_piece *pieces, size_t count);

#endif
