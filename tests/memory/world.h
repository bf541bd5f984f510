/* A target for the tests of pictures: one process with a thread for each way to wait or to work, which counts
 * what it did and everything that should not have happened to it. */
#ifndef CAULK_TESTS_WORLD_H
#define CAULK_TESTS_WORLD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum world_kind {
    WORLD_READ,
    WORLD_POLL,
    WORLD_PPOLL,
    WORLD_SELECT,
    WORLD_EPOLL,
    WORLD_EPOLL_PWAIT,
    WORLD_RECEIVE,
    WORLD_ACCEPT,
    WORLD_EVENT,
    WORLD_FUTEX,
    WORLD_SEMAPHORE,
    WORLD_SEMOP,
    WORLD_SIGWAIT,
    WORLD_NANOSLEEP,
    WORLD_CLOCK_NANOSLEEP,
    WORLD_TIMED_FUTEX,
    WORLD_FORK,
    WORLD_SPAWN,
    WORLD_THREADS,
    WORLD_CHURN,
    WORLD_VECTORS,
    WORLD_TIMER,
    WORLD_KINDS,
};

extern const char *const world_names[WORLD_KINDS];

/* Shared between the target and the test. */
struct world {
    _Atomic uint64_t rounds[WORLD_KINDS];      /* a thread that waits or works adds to its own */
    _Atomic uint64_t interrupted[WORLD_KINDS]; /* EINTR out of a call that nobody signalled */
    _Atomic uint64_t wrong[WORLD_KINDS];       /* a result that cannot be */
    _Atomic uint64_t signals;                  /* of the interval timer */
};

/* Two words of private memory that one thread changes together; `twin` never differs from `word` by more
 * than the one step that is under way. */
extern _Atomic uint64_t world_word, world_twin;

/* Computes in vector registers; false if they or their mode changed meanwhile. */
bool world_vectors_hold(uint64_t seed);

/* Starts it; the test is its parent. `world` is shared memory. Returns when all threads run. */
pid_t world_start(struct world **world_out);
void world_end(pid_t pid, struct world *world);

#endif
