/* Ctrl-C and a request to end, taken as "that is enough". */
#include "app/interrupt.h"

#include <poll.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

void interrupt_open(struct interrupt *interrupt) {
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    sigprocmask(SIG_BLOCK, &ends, &interrupt->before);
    interrupt->descriptor = signalfd(-1, &ends, SFD_CLOEXEC | SFD_NONBLOCK);
}

void interrupt_close(struct interrupt *interrupt) {
    /* What came is consumed: it was obeyed. */
    struct signalfd_siginfo information;
    while (read(interrupt->descriptor, &information, sizeof information) > 0)
        continue;
    close(interrupt->descriptor);
    sigprocmask(SIG_SETMASK, &interrupt->before, NULL);
}

bool interrupt_wait(struct interrupt *interrupt, double seconds) {
    struct pollfd poll = {.fd = interrupt->descriptor, .events = POLLIN};
    struct timespec limit = {.tv_sec = (time_t)seconds};
    limit.tv_nsec = (long)((seconds - (double)limit.tv_sec) * 1e9);
    int ready = ppoll(&poll, 1, &limit, NULL);
    return ready > 0;
}
