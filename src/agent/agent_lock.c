/* The agent's one state, and what a thread does that finds the lock taken. */
#include "agent/agent_work.h"

#include <sched.h>
#include <time.h>

struct agent agent;
__thread struct agent_thread agent_thread __attribute__((tls_model("initial-exec")));

enum { SPINS = 200 };

static void pause_processor(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* A thread of low priority may hold the lock: sleeping lets it go on, yielding might not. */
void agent_lock_wait(void) {
    for (unsigned turn = 0; __atomic_exchange_n(&agent.lock, 1, __ATOMIC_ACQUIRE); turn++) {
        for (int spin = 0; spin < SPINS && __atomic_load_n(&agent.lock, __ATOMIC_RELAXED); spin++)
            pause_processor();
        if (turn >= 4)
            nanosleep(&(struct timespec){.tv_nsec = 20000}, NULL);
        else if (turn > 0)
            sched_yield();
    }
}
