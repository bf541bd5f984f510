/* Hooks on setrlimit and prlimit, by the names that a preloaded library takes over: the reserved range counts as the
 * process's address space, and a program that limits its own must not find it spent. */
#undef _FILE_OFFSET_BITS /* else setrlimit is a second name of setrlimit64, and both are needed */
#include "agent/agent_work.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define VISIBLE __attribute__((visibility("default")))

_Static_assert(sizeof(struct rlimit) == sizeof(struct rlimit64), "limits of both names look alike");

/* A child that only sets its limits before exec makes no recording for that. */
static void fit_range(void) {
    if (agent_thread.inside)
        return;
    agent_thread.inside = 1;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    agent_lock();
    agent_range_fit();
    agent_leave();
}

static int limit(pid_t pid, int resource, const struct rlimit64 *limits, struct rlimit64 *old) {
    int result = (int)syscall(SYS_prlimit64, pid, resource, limits, old);
    if (!result && limits && resource == RLIMIT_AS && (!pid || pid == getpid()))
        fit_range();
    return result;
}

VISIBLE int prlimit64(pid_t pid, enum __rlimit_resource resource, const struct rlimit64 *limits, struct rlimit64 *old) {
    return limit(pid, resource, limits, old);
}

VISIBLE int prlimit(pid_t pid, enum __rlimit_resource resource, const struct rlimit *limits, struct rlimit *old) {
    return limit(pid, resource, (const struct rlimit64 *)limits, (struct rlimit64 *)old);
}

VISIBLE int setrlimit64(__rlimit_resource_t resource, const struct rlimit64 *limits) {
    return limit(0, (int)resource, limits, NULL);
}

VISIBLE int setrlimit(__rlimit_resource_t resource, const struct rlimit *limits) {
    return limit(0, (int)resource, (const struct rlimit64 *)limits, NULL);
}
