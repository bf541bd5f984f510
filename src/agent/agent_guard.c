/* A recording that somebody cuts short, or whose disk fails, must not end the program: SIGBUS at an address of the
 * recording puts plain memory in the place of the file and ends the counting. Every other SIGBUS is the program's. */
#include "agent/agent_work.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct {
    struct wire_head head; /* as it was last known: readers of the plain memory find sane regions */
    uintptr_t begin;
    struct sigaction before;
    bool set, lost;
} guard;

static bool is_of_recording(const siginfo_t *info) {
    uintptr_t begin = __atomic_load_n(&guard.begin, __ATOMIC_ACQUIRE);
    return info->si_code > 0 && begin && begin == (uintptr_t)agent_recording &&
           (uintptr_t)info->si_addr - begin < guard.head.file_size;
}

/* The kernel is asked directly: the hooks on mmap have locks. */
static bool replace_recording(void) {
    void *at = (void *)guard.begin;
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE;
    if ((void *)syscall(SYS_mmap, at, guard.head.file_size, PROT_READ | PROT_WRITE, flags, -1, 0) == MAP_FAILED)
        return false;
    memcpy(at, &guard.head, sizeof guard.head);
    AGENT_WRITE(agent.phase, AGENT_FINISHED);
    guard.lost = true;
    return true;
}

/* The default: the instruction faults again, or the signal that was sent comes again, without a handler. */
static void die_by(int number, siginfo_t *info) {
    struct sigaction usual = {.sa_handler = SIG_DFL};
    sigaction(number, &usual, NULL);
    if (info->si_code <= 0)
        syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), number);
}

static void pass_on(int number, siginfo_t *info, void *context) {
    bool wants_all = guard.before.sa_flags & SA_SIGINFO;
    if (wants_all)
        guard.before.sa_sigaction(number, info, context);
    else if (guard.before.sa_handler == SIG_DFL || (guard.before.sa_handler == SIG_IGN && info->si_code > 0))
        die_by(number, info);
    else if (guard.before.sa_handler != SIG_IGN)
        guard.before.sa_handler(number);
}

static void take_signal(int number, siginfo_t *info, void *context) {
    int known = errno;
    if (!is_of_recording(info) || !replace_recording())
        pass_on(number, info, context);
    errno = known;
}

void agent_guard(struct wire_head *head) {
    memcpy(&guard.head, head, sizeof guard.head);
    guard.head.cohort_width = (uint64_t)1 << 62; /* nobody divides by zero, nor widens what is not there */
    __atomic_store_n(&guard.begin, (uintptr_t)head, __ATOMIC_RELEASE);
    if (guard.set || sigaction(SIGBUS, NULL, &guard.before))
        return;
    struct sigaction ours = {.sa_sigaction = take_signal, .sa_mask = guard.before.sa_mask};
    ours.sa_flags = SA_SIGINFO | SA_ONSTACK | (guard.before.sa_flags & (SA_NODEFER | SA_RESTART));
    guard.set = sigaction(SIGBUS, &ours, NULL) == 0;
}

bool agent_recording_is_lost(void) {
    return guard.lost;
}
