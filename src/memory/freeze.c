/* Takes a picture of a process, copies it and lets go; tries again while the moment is wrong. */
#include "memory/freeze.h"

#include "memory/live.h"
#include "memory/live_conditions.h"
#include "memory/maps.h"
#include "memory/picture.h"
#include "memory/seccomp_filter.h"

#include <dirent.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>

static const double stop_seconds = 0.02, default_seconds = 10;

enum attempt_outcome { ATTEMPT_DONE, ATTEMPT_AGAIN, ATTEMPT_FAILED };

struct freeze {
    int pid;
    const struct freeze_options *options;
    double deadline;
    bool pause; /* wished, or the target cannot fork for us */
    bool under_filter, filtered; /* by seccomp, and what the filters say to a fork has not been asked yet */
    struct injector injector;
    struct freeze_statistics statistics;
    struct image *image;
    enum attempt_outcome outcome;
    struct error *error;
    const char *busy; /* why the last attempt was not the last */
};

static struct error *error_gone(int pid) {
    return error_create(STATUS_NO_TARGET, "process %d ended before its picture was complete", pid);
}

static bool process_is_gone(int pid) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/stat", proc_live_thread(pid));
    char state = proc_state(path);
    return state == 0 || state == 'Z' || state == 'X';
}

/* A word that cannot be read holds nobody up: then there is no collector to wait for. */
static bool conditions_hold(const struct freeze *freeze) {
    int thread = proc_live_thread(freeze->pid);
    for (size_t i = 0; i < freeze->options->condition_count; i++) {
        uint32_t word = 0;
        struct iovec local = {&word, sizeof word};
        struct iovec remote = {(void *)freeze->options->conditions[i].address, sizeof word};
        if (process_vm_readv(thread, &local, 1, &remote, 1, 0) == sizeof word && word)
            return false;
    }
    return true;
}

/* A thread in state D, which the parent of a vfork is too, does not stop: all others would stand and wait for it. */
static bool any_thread_is_stuck(int pid) {
    char path[300];
    snprintf(path, sizeof path, "/proc/%d/task", pid);
    DIR *tasks = opendir(path);
    bool stuck = false;
    for (struct dirent *entry; tasks && !stuck && (entry = readdir(tasks));) {
        snprintf(path, sizeof path, "/proc/%d/task/%s/stat", pid, entry->d_name);
        stuck = entry->d_name[0] != '.' && proc_state(path) == 'D';
    }
    if (tasks)
        closedir(tasks);
    return stuck;
}

static void attempt_again(struct freeze *freeze, const char *busy) {
    freeze->outcome = ATTEMPT_AGAIN;
    freeze->busy = busy;
}

static void pause_for(struct freeze *freeze, const char *reason) {
    freeze->pause = true;
    freeze->statistics.paused = reason;
}

static void attempt_failed(struct freeze *freeze, struct error *error) {
    freeze->outcome = ATTEMPT_FAILED;
    freeze->error = error;
}

static const char *const busy_thread = "a thread of it did not stop in time: it waits for a vfork or for a disk";
static const char *const busy_collector = "its garbage collector was at work at every try";

static bool attempt_stop(struct freeze *freeze, struct stop *stop) {
    switch (stop_all(stop, stop_seconds)) {
    case STOP_DONE:
        return true;
    case STOP_LATE:
        attempt_again(freeze, busy_thread);
        return false;
    case STOP_GONE:
        attempt_failed(freeze, error_gone(freeze->pid));
        return false;
    case STOP_REFUSED:
        break;
    }
    struct memory *memory = NULL; /* it knows all reasons */
    struct error *error = live_open(freeze->pid, &memory);
    memory_close(memory);
    attempt_failed(freeze, error ? error
                                 : error_create(STATUS_PERMISSION, "not permitted to trace process %d", freeze->pid));
    return false;
}

static void attempt_release(struct freeze *freeze, struct stop *stop) {
    freeze->statistics.threads = (int)stop->threads.count;
    stop_release(stop);
    freeze->statistics.pause_ms = (stop_clock() - stop->begin) * 1e3;
}

static struct error *attempt_copy(struct freeze *freeze, int pid) {
    double begin = stop_clock();
    struct error *error = image_from_process(pid, freeze->pid, &freeze->image);
    freeze->statistics.copy_ms = (stop_clock() - begin) * 1e3;
    return error;
}

static void attempt_by_pause(struct freeze *freeze, struct stop *stop) {
    struct error *error = attempt_copy(freeze, freeze->pid);
    attempt_release(freeze, stop);
    freeze->outcome = ATTEMPT_DONE;
    if (!error)
        return;
    if (process_is_gone(freeze->pid)) {
        error_discard(error);
        error = error_gone(freeze->pid);
    }
    attempt_failed(freeze, error);
}

/* A picture that died while it was copied was chosen by a kernel short of memory: no second one. */
static void attempt_by_picture(struct freeze *freeze, struct stop *stop) {
    struct picture picture;
    bool filtered = freeze->under_filter;
    enum picture_outcome outcome = picture_take(stop, &freeze->injector, &picture);
    attempt_release(freeze, stop);
    if (outcome != PICTURE_TAKEN) {
        pause_for(freeze, filtered ? "it could not fork: its seccomp filter or a limit forbids it" : "it could not fork");
        attempt_again(freeze, "it could not fork");
        if (process_is_gone(freeze->pid))
            attempt_failed(freeze, error_gone(freeze->pid));
        return;
    }
    struct error *error = attempt_copy(freeze, picture.pid);
    freeze->statistics.pause_ms += picture_discard(freeze->pid, &freeze->injector, &picture) * 1e3;
    freeze->outcome = ATTEMPT_DONE;
    if (error) {
        error_discard(error);
        pause_for(freeze, "its picture was killed, as by a shortage of memory");
        attempt_again(freeze, "its picture was killed while it was copied: is memory short?");
    }
}

/* The calls that a picture takes; the last two are made only if we die halfway, or by a picture that does. */
static enum seccomp_answer ask_filters(const struct stop *stop) {
    static const struct seccomp_call calls[] = {{SYS_clone, {CLONE_FILES | CLONE_FS}},
                                                {SYS_wait4, {0}},
                                                {SYS_rt_sigreturn, {0}},
                                                {SYS_exit_group, {0}}};
    enum seccomp_answer answer = SECCOMP_ANSWERS_CALL;
    const struct stop_thread *threads = stop->threads.items;
    for (size_t i = 0; i < stop->threads.count && answer == SECCOMP_ANSWERS_CALL; i++)
        if (threads[i].state == STOP_STANDS)
            answer = seccomp_filter_ask(threads[i].thread, calls, sizeof calls / sizeof *calls);
    return answer;
}

/* A filter may kill the process for a call: only those that are known to let it live are tried. */
static void heed_filters(struct freeze *freeze, const struct stop *stop) {
    if (!freeze->filtered)
        return;
    freeze->filtered = false;
    switch (ask_filters(stop)) {
    case SECCOMP_ANSWERS_CALL: break;
    case SECCOMP_ANSWERS_HARM: pause_for(freeze, "its seccomp filter forbids the fork"); break;
    case SECCOMP_NO_ANSWER:
        pause_for(freeze, "it runs under seccomp, and only root outside of its container may ask whether the filter "
                          "allows the fork");
        break;
    }
}

/* Runs in a thread of its own: when that ends, however it ends, the kernel lets go of all it traced. */
static void *attempt(void *argument) {
    struct freeze *freeze = argument;
    struct stop stop = {.pid = freeze->pid};
    prctl(PR_SET_TIMERSLACK, 1);
    if (!attempt_stop(freeze, &stop)) {
        stop_give_up(&stop, freeze->deadline);
        return NULL;
    }
    if (!conditions_hold(freeze)) {
        stop_release(&stop);
        attempt_again(freeze, busy_collector);
        return NULL;
    }
    heed_filters(freeze, &stop);
    if (freeze->pause)
        attempt_by_pause(freeze, &stop);
    else
        attempt_by_picture(freeze, &stop);
    return NULL;
}

/* Signals are for the program's other threads. */
static struct error *run_attempt(struct freeze *freeze) {
    pthread_t thread;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&thread, NULL, attempt, freeze);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed)
        return error_create(STATUS_INTERNAL, "starting a thread that traces process %d: %s", freeze->pid,
                            strerror(failed));
    pthread_join(thread, NULL);
    return freeze->outcome == ATTEMPT_FAILED ? freeze->error : NULL;
}

static bool wait_for_moment(struct freeze *freeze) {
    for (;;) {
        bool stuck = any_thread_is_stuck(freeze->pid);
        if (!stuck && conditions_hold(freeze))
            return true;
        freeze->busy = stuck ? busy_thread : busy_collector;
        if (stop_clock() > freeze->deadline)
            return false;
        nanosleep(&(struct timespec){.tv_nsec = 300000}, NULL);
    }
}

static struct error *freeze_run(struct freeze *freeze) {
    double seconds = freeze->options->give_up_after > 0 ? freeze->options->give_up_after : default_seconds;
    freeze->deadline = stop_clock() + seconds;
    for (long rest = 1000000; wait_for_moment(freeze); rest = rest < 50000000 ? rest * 2 : rest) {
        TRY(run_attempt(freeze));
        if (freeze->outcome == ATTEMPT_DONE)
            return NULL;
        freeze->statistics.retries++;
        if (stop_clock() > freeze->deadline)
            break;
        nanosleep(&(struct timespec){.tv_nsec = rest}, NULL);
    }
    return error_create(STATUS_BUSY, "no picture of process %d within %g s: %s; try again later", freeze->pid, seconds,
                        freeze->busy);
}

static const char *why_pause(int pid, const struct memory *memory, struct freeze *freeze) {
    struct live_conditions conditions;
    live_conditions_read_few(pid, &conditions);
    if (!conditions.state)
        return "its status is unreadable";
    conditions.has_instructions = injector_find(memory, &freeze->injector);
    freeze->under_filter = freeze->filtered = conditions.seccomp == SECCOMP_MODE_FILTER;
    if (freeze->filtered)
        conditions.seccomp = 0; /* they are asked when it stands still */
    return live_conditions_against_picture(&conditions);
}

struct error *freeze_and_copy(int pid, const struct freeze_options *options, struct image **out,
                              struct freeze_statistics *statistics) {
    struct memory *memory;
    struct freeze freeze = {.pid = pid, .options = options, .busy = ""};
    *out = NULL;
    TRY(live_open(pid, &memory));
    const char *reason = options->pause ? NULL : why_pause(pid, memory, &freeze);
    freeze.pause = options->pause;
    if (reason)
        pause_for(&freeze, reason);
    memory_close(memory);
    struct error *error = freeze_run(&freeze);
    if (!error)
        *out = freeze.image;
    if (statistics)
        *statistics = freeze.statistics;
    return error;
}
