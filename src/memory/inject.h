/* Lets a stopped thread of the target make one system call of our choice.
 *
 * The tracer may be killed between any two instructions, and the thread then runs on with the registers it
 * has. So the thread's stack, below the part that is in use, first gets a signal frame that holds everything
 * the thread had; the call is made at a `syscall; ret` of the target whose `ret` leads to the target's own
 * sigreturn. A thread that is left alone anywhere on the way makes the call and then gives its registers,
 * vector registers and signal mask back to itself. A child that is born on the way gets a frame of its own,
 * whose sigreturn leads to exit_group(INJECT_CHILD_STATUS). Nothing is executed but code that is there. */
#ifndef CAULK_MEMORY_INJECT_H
#define CAULK_MEMORY_INJECT_H

#include "memory/memory.h"

#include <sys/types.h>

enum { INJECT_CHILD_STATUS = 0x5c };

/* Instructions of the target. */
struct injector {
    remote_address call;       /* syscall; ret */
    remote_address sigreturn;  /* eax = rt_sigreturn; syscall */
};

/* Finds them; false if this process cannot make a call for us. */
bool injector_find(const struct memory *memory, struct injector *out);

/* How well a stopped thread suits: 2 waits in a system call that can be begun again, 1 is in another system
 * call, 0 runs its own code, -1 cannot be asked. */
int inject_suits(pid_t thread);

struct injection {
    pid_t thread;
    struct injector injector;
    uint64_t registers[32]; /* what the thread had */
    uint64_t signal_mask;
    remote_address frame;       /* stack pointer for the call */
    remote_address child_frame; /* for a child of it */
};

/* Prepares a thread that stands still; nothing of it is changed but dead stack. False: ask another thread. */
bool injection_begin(struct injection *injection, pid_t thread, const struct injector *injector);

/* Makes the call, at most until `deadline`. `child_out` (may be NULL) gets the child that it bore, by our
 * number, which stands still from its birth. False: the thread is gone or will not come back. */
bool injection_call(struct injection *injection, long number, const uint64_t arguments[6], double deadline,
                    long *result_out, pid_t *child_out);

/* Stops the thread where the kernel begins interrupted calls again, and gives it what it had. */
bool injection_end(struct injection *injection, double deadline);

/* Whether the system call of this number is one that a stop breaks off with EINTR. */
bool inject_is_fragile(long number);

/* Whether it waits for a child to end. */
bool inject_awaits_child(long number);

/* Some waits without end fail with EINTR by any stop: begins such a one again, unless a signal is the reason.
 * True if there was one. */
bool inject_cure(pid_t thread);

/* Makes a wait for a lock of the C library, which the stop interrupted, end with EINTR as any signal would; if
 * it was called from this stretch of code by no more than the C library's own. False, and nothing is changed, if the
 * thread does not wait so. */
struct inject_caller {
    remote_address begin, end;
};
bool inject_end_wait(pid_t thread, const struct memory *memory, struct inject_caller caller);

#endif
