/* A recording that somebody cuts short, or whose disk fails, must not end the program: SIGBUS at an address of the
 * recording puts plain memory in the place of the file and ends the counting. Every other SIGBUS is the program's.
 *
 * A program may take SIGBUS for itself at any time (faulthandler does). So the guard looks now and then who has it,
 * and stands before whom it finds. Handlers call, or put back, what was there when they came: so each such place is a
 * *layer*, a handler of its own that knows what it stands before and for which that does not change. */
#include "agent/agent_work.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { LAYERS = 16, ENTERS_PER_LOOK = 64 };

static const struct sigaction usual = {.sa_handler = SIG_DFL};

static struct {
    struct wire_head head; /* as it was last known: readers of the plain memory find sane regions */
    uintptr_t begin;       /* of the recording; 0: nothing to guard */
    uint32_t looking;
    uint32_t looked; /* the time of the last look */
    unsigned layers;
    struct sigaction found[LAYERS];         /* when the layer came */
    const struct sigaction *behind[LAYERS]; /* what the layer stands before: found[], or what stood before that */
    bool lost;
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
    sigaction(number, &usual, NULL);
    if (info->si_code <= 0)
        syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), number);
}

static void pass_on(const struct sigaction *behind, int number, siginfo_t *info, void *context) {
    if (behind->sa_flags & (int)SA_RESETHAND)
        sigaction(number, &usual, NULL);
    if (behind->sa_flags & SA_SIGINFO)
        behind->sa_sigaction(number, info, context);
    else if (behind->sa_handler == SIG_DFL)
        die_by(number, info);
    else
        behind->sa_handler(number);
}

static void take_signal(unsigned layer, int number, siginfo_t *info, void *context) {
    int known = errno;
    if (!is_of_recording(info) || !replace_recording())
        pass_on(__atomic_load_n(&guard.behind[layer], __ATOMIC_ACQUIRE), number, info, context);
    errno = known;
}

#define LAYER(n)                                                         \
    static void take_##n(int number, siginfo_t *info, void *context) { \
        take_signal(n, number, info, context);                           \
    }
LAYER(0) LAYER(1) LAYER(2) LAYER(3) LAYER(4) LAYER(5) LAYER(6) LAYER(7)
LAYER(8) LAYER(9) LAYER(10) LAYER(11) LAYER(12) LAYER(13) LAYER(14) LAYER(15)

static void (*const takers[LAYERS])(int, siginfo_t *, void *) = {
    take_0, take_1, take_2,  take_3,  take_4,  take_5,  take_6,  take_7,
    take_8, take_9, take_10, take_11, take_12, take_13, take_14, take_15,
};

static bool is_usual(const struct sigaction *action) {
    return !(action->sa_flags & SA_SIGINFO) && action->sa_handler == SIG_DFL;
}

/* Who ignores SIGBUS is left alone: that is inherited by the programs that it becomes. */
static bool may_stand_before(const struct sigaction *found) {
    for (unsigned i = 0; i < guard.layers && found->sa_flags & SA_SIGINFO; i++)
        if (found->sa_sigaction == takers[i])
            return false;
    return found->sa_flags & SA_SIGINFO || found->sa_handler != SIG_IGN;
}

static void stand_before(unsigned layer, const struct sigaction *found) {
    guard.found[layer] = *found;
    __atomic_store_n(&guard.behind[layer], &guard.found[layer], __ATOMIC_RELEASE);
}

/* A handler that has come again may have kept a layer that stands before itself: there it is passed by. The default
 * calls nobody, and one layer before it will do. LAYERS if there are no more. */
static unsigned layer_before(const struct sigaction *found) {
    for (unsigned i = 0; i < guard.layers; i++) {
        if (guard.behind[i]->sa_handler != found->sa_handler)
            continue;
        if (is_usual(found))
            return i;
        __atomic_store_n(&guard.behind[i], i ? guard.behind[i - 1] : &usual, __ATOMIC_RELEASE);
    }
    if (guard.layers < LAYERS)
        stand_before(guard.layers, found);
    return guard.layers;
}

static void set_layer(const struct sigaction *found, struct sigaction *out) {
    unsigned layer = layer_before(found);
    *out = *found;
    if (layer == LAYERS)
        return;
    struct sigaction ours = {.sa_sigaction = takers[layer], .sa_mask = found->sa_mask};
    ours.sa_flags = SA_SIGINFO | (found->sa_flags & (SA_NODEFER | SA_RESTART | SA_ONSTACK));
    ours.sa_flags |= is_usual(found) ? SA_ONSTACK : 0;
    guard.layers += layer == guard.layers;
    sigaction(SIGBUS, &ours, out);
}

/* Not by the recording's own clock: the recording may be gone. */
static uint32_t milliseconds(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &time);
    return (uint32_t)((uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000);
}

/* Another thread may set a handler between a look and what follows from it: that one is in force. */
static void look(void) {
    struct sigaction found, replaced;
    if (sigaction(SIGBUS, NULL, &found) || !may_stand_before(&found))
        return;
    set_layer(&found, &replaced);
    if (replaced.sa_handler == found.sa_handler)
        return;
    if (may_stand_before(&replaced))
        set_layer(&replaced, &found);
    else
        sigaction(SIGBUS, &replaced, NULL);
}

void agent_guard_look(void) {
    bool needed = __atomic_load_n(&guard.begin, __ATOMIC_ACQUIRE) && !guard.lost;
    agent.enters_to_look = !needed ? UINT32_MAX : agent.every_byte ? ENTERS_PER_LOOK : 0;
    uint32_t now = needed ? milliseconds() : guard.looked;
    if (now == guard.looked || __atomic_exchange_n(&guard.looking, 1, __ATOMIC_ACQUIRE))
        return;
    guard.looked = now;
    look();
    __atomic_store_n(&guard.looking, 0, __ATOMIC_RELEASE);
}

void agent_guard(struct wire_head *head) {
    memcpy(&guard.head, head, sizeof guard.head);
    guard.head.cohort_width = (uint64_t)1 << 62; /* nobody divides by zero, nor widens what is not there */
    __atomic_store_n(&guard.begin, (uintptr_t)head, __ATOMIC_RELEASE);
    guard.looked = 0;
    agent_guard_look();
}

bool agent_recording_is_lost(void) {
    return guard.lost;
}
