/* The agent's one lock, and the mark of a thread that runs the agent's code. */
#include "agent/agent_work.h"

#include <sched.h>
#include <time.h>

struct agent agent;
__thread struct agent_thread agent_thread __attribute__((tls_model("initial-exec")));

enum { SPINS = 200 };

/* A thread of low priority may hold the lock: sleeping lets it go on, yielding might not. */
static void wait_for_lock(void) {
    for (unsigned turn = 0; __atomic_exchange_n(&agent.lock, 1, __ATOMIC_ACQUIRE); turn++) {
        for (int spin = 0; spin < SPINS && __atomic_load_n(&agent.lock, __ATOMIC_RELAXED); spin++)
            __builtin_ia32_pause();
        if (turn >= 4)
            nanosleep(&(struct timespec){.tv_nsec = 20000}, NULL);
        else if (turn > 0)
            sched_yield();
    }
}

void agent_lock(void) {
    if (AGENT_UNLIKELY(__atomic_exchange_n(&agent.lock, 1, __ATOMIC_ACQUIRE)))
        wait_for_lock();
}

void agent_unlock(void) {
    __atomic_store_n(&agent.lock, 0, __ATOMIC_RELEASE);
}

bool agent_enter(void) {
    if (AGENT_UNLIKELY(agent_thread.inside))
        return false;
    agent_thread.inside = 1;
    /* A signal handler of this thread must see the mark before the lock is taken. */
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    agent_lock();
    if (AGENT_UNLIKELY(agent.forked))
        agent_fork_settle();
    return true;
}

void agent_leave(void) {
    agent_unlock();
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    agent_thread.inside = 0;
}
