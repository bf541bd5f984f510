/* Stops of a process in which something is done to it. */
#include "memory/visit.h"

#include "memory/maps.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <time.h>

enum { CALL_SECONDS = 30, TEXT_BYTES = 256 };

static const double stop_seconds = 0.02, visitor_seconds = 1; /* another visitor is gone by then */

struct attempt {
    struct visit visit;
    visit_action action;
    void *context;
    double deadline, stood;
    enum stop_outcome outcome;
};

/* The first candidates are threads that wait in a call which the kernel can begin again. */
static bool begin_injection(struct visit *visit) {
    const struct stop_thread *threads = visit->stop.threads.items;
    for (int wanted = 2; wanted >= 0 && visit->injector.call; wanted--)
        for (size_t i = 0; i < visit->stop.threads.count; i++)
            if (threads[i].state == STOP_STANDS && inject_suits(threads[i].thread) == wanted &&
                injection_begin(&visit->injection, threads[i].thread, &visit->injector))
                return true;
    visit->injection.thread = 0;
    return false;
}

bool visit_call(struct visit *visit, long number, const uint64_t arguments[6], long *result_out) {
    if (visit->lost || (!visit->injection.thread && !begin_injection(visit)))
        return false;
    if (injection_call(&visit->injection, number, arguments, stop_clock() + CALL_SECONDS, result_out, NULL))
        return true;
    visit->lost = true;
    return false;
}

remote_address visit_text(struct visit *visit, const char *text) {
    if (visit->lost || (!visit->injection.thread && !begin_injection(visit)) || strlen(text) >= TEXT_BYTES)
        return 0;
    remote_address at = visit->injection.frame - 2 * TEXT_BYTES;
    struct visit_piece piece = {at, text, strlen(text) + 1};
    return visit_write(visit->pid, &piece, 1) ? at : 0;
}

bool visit_write(int pid, const struct visit_piece *pieces, size_t count) {
    struct iovec local[VISIT_PIECES_MAX], remote[VISIT_PIECES_MAX];
    size_t size = 0;
    for (size_t i = 0; i < count; i++) {
        local[i] = (struct iovec){(void *)pieces[i].bytes, pieces[i].size};
        remote[i] = (struct iovec){(void *)pieces[i].address, pieces[i].size};
        size += pieces[i].size;
    }
    return process_vm_writev(proc_live_thread(pid), local, count, remote, count, 0) == (ssize_t)size;
}

static void *run(void *argument) {
    struct attempt *attempt = argument;
    struct visit *visit = &attempt->visit;
    prctl(PR_SET_TIMERSLACK, 1);
    attempt->outcome = stop_all(&visit->stop, stop_seconds);
    if (attempt->outcome == STOP_DONE) {
        attempt->action(visit, attempt->context);
        if (visit->injection.thread && !visit->lost)
            visit->lost = !injection_end(&visit->injection, stop_clock() + CALL_SECONDS);
        stop_release(&visit->stop);
    } else {
        stop_give_up(&visit->stop, attempt->deadline);
    }
    attempt->stood += visit->stop.begin > 0 ? stop_clock() - visit->stop.begin : 0;
    return NULL;
}

/* Signals are for the program's other threads. */
static struct error *run_attempt(struct attempt *attempt) {
    pthread_t thread;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&thread, NULL, run, attempt);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed)
        return error_create(STATUS_INTERNAL, "starting a thread that visits process %d: %s", attempt->visit.pid,
                            strerror(failed));
    pthread_join(thread, NULL);
    return NULL;
}

static struct error *judge(const struct attempt *attempt) {
    int pid = attempt->visit.pid;
    if (attempt->outcome == STOP_GONE)
        return error_create(STATUS_NO_TARGET, "process %d has ended", pid);
    if (attempt->outcome == STOP_REFUSED)
        return error_create(STATUS_PERMISSION, "not permitted to stop process %d, or another tracer holds it", pid);
    if (attempt->outcome == STOP_LATE)
        return error_create(STATUS_BUSY,
                            "process %d did not stop: a thread of it waits for a vfork or for a disk; try again later", pid);
    if (attempt->visit.lost)
        return error_create(STATUS_BUSY, "process %d: a thread did not come back from a system call in time", pid);
    return NULL;
}

struct error *visit_process(int pid, const struct injector *injector, double deadline, visit_action action, void *context,
                            double *stood_ms) {
    double begin = stop_clock();
    for (long rest = 1000000;; rest = rest < 50000000 ? rest * 2 : rest) {
        struct attempt attempt = {.action = action, .context = context, .deadline = deadline};
        attempt.visit = (struct visit){.pid = pid, .injector = *injector, .stop = {.pid = pid}};
        TRY(run_attempt(&attempt));
        *stood_ms += attempt.stood * 1e3;
        bool again = attempt.outcome == STOP_LATE ? stop_clock() < deadline
                                                  : attempt.outcome == STOP_REFUSED && stop_clock() < begin + visitor_seconds;
        if (!again)
            return judge(&attempt);
        nanosleep(&(struct timespec){.tv_nsec = rest}, NULL);
    }
}
