/* Stops the threads of a process and lets them go. */
#include "memory/stop.h"

#include "memory/inject.h"
#include "memory/maps.h"

#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>

double stop_clock(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

bool stop_is_trap(int status) {
    return WIFSTOPPED(status) && status >> 16 == PTRACE_EVENT_STOP;
}

bool stop_pass(pid_t thread, int request, int status) {
    int signal = status >> 16 ? 0 : WSTOPSIG(status) & 0x7f;
    return ptrace((enum __ptrace_request)request, thread, 0, signal == SIGTRAP ? 0 : signal) == 0;
}

/* A stop takes microseconds: only who waits longer gives the processor away. */
static void wait_a_little(int tries) {
    if (tries < 64)
        sched_yield();
    else
        nanosleep(&(struct timespec){.tv_nsec = tries < 1024 ? 20000 : 500000}, NULL);
}

static pid_t wait_until(pid_t thread, double deadline, int *status_out) {
    for (int tries = 0;; tries++) {
        pid_t found = waitpid(thread, status_out, __WALL | __WNOTHREAD | WNOHANG);
        if (found != 0 && !(found < 0 && errno == EINTR))
            return found;
        if (stop_clock() > deadline)
            return 0;
        wait_a_little(tries);
    }
}

bool stop_wait(pid_t thread, double deadline, int *status_out) {
    return wait_until(thread, deadline, status_out) == thread;
}

static struct stop_thread *find_thread(const struct stop *stop, pid_t thread) {
    uint32_t index = map_find(&stop->known, (uint64_t)thread);
    return index == MAP_ABSENT ? NULL : &vector_items(&stop->threads, struct stop_thread)[index];
}

/* An ended thread that nobody collected yet (the main one, as long as others live) cannot be seized. */
static bool has_ended(const struct stop *stop, pid_t thread) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/task/%d/stat", stop->pid, thread);
    char state = proc_state(path);
    return state == 0 || state == 'Z' || state == 'X';
}

static enum stop_outcome seize(struct stop *stop, pid_t thread, enum stop_order order) {
    enum stop_state state = STOP_RUNS;
    if (ptrace(PTRACE_SEIZE, thread, 0, 0) != 0) {
        if (errno != ESRCH && !has_ended(stop, thread))
            return STOP_REFUSED;
        state = STOP_ENDED;
    }
    map_set(&stop->known, (uint64_t)thread, (uint32_t)stop->threads.count);
    *vector_push(&stop->threads, struct stop_thread) = (struct stop_thread){thread, state, order};
    return STOP_DONE;
}

static enum stop_order order_of(const struct stop *stop, pid_t thread) {
    char path[64], text[256];
    snprintf(path, sizeof path, "/proc/%d/task/%d/syscall", stop->pid, thread);
    bool asked = proc_read(path, sizeof text, text) > 0;
    bool runs = asked && *text == 'r';
    long number = asked && !runs ? atol(text) : -1;
    if (inject_is_fragile(number))
        return STOP_FRAGILE;
    if (thread == stop->pid || inject_awaits_child(number))
        return STOP_PARENT;
    return runs ? STOP_BUSY : STOP_PLAIN;
}

static void find_new(const struct stop *stop, DIR *tasks, struct vector *out) {
    rewinddir(tasks);
    for (struct dirent *entry; (entry = readdir(tasks));) {
        pid_t thread = atoi(entry->d_name);
        if (thread > 0 && !find_thread(stop, thread))
            *vector_push(out, struct stop_thread) = (struct stop_thread){thread, STOP_RUNS, order_of(stop, thread)};
    }
}

/* Seizes the threads that are not known yet; seizing does not stop. */
static enum stop_outcome seize_new(struct stop *stop, DIR *tasks) {
    struct vector found = {0};
    enum stop_outcome outcome = STOP_DONE;
    find_new(stop, tasks, &found);
    for (int order = 0; order < STOP_ORDERS; order++)
        for (size_t i = 0; i < found.count && outcome == STOP_DONE; i++) {
            const struct stop_thread *thread = &vector_items(&found, struct stop_thread)[i];
            if (thread->order == (enum stop_order)order)
                outcome = seize(stop, thread->thread, thread->order);
        }
    vector_deinit(&found);
    return outcome;
}

static size_t interrupt_from(struct stop *stop, size_t first) {
    struct stop_thread *threads = stop->threads.items;
    size_t running = 0;
    if (stop->begin == 0)
        stop->begin = stop_clock();
    for (size_t i = first; i < stop->threads.count; i++)
        if (threads[i].state == STOP_RUNS) {
            ptrace(PTRACE_INTERRUPT, threads[i].thread, 0, 0);
            running++;
        }
    return running;
}

/* A signal that is on its way is handed on; the stop comes behind it. True if the thread runs no more. */
static bool take_report(struct stop_thread *thread, int status) {
    if (!WIFSTOPPED(status))
        thread->state = STOP_ENDED;
    else if (stop_is_trap(status))
        thread->state = STOP_STANDS;
    else
        stop_pass(thread->thread, PTRACE_CONT, status);
    return thread->state != STOP_RUNS;
}

static bool wait_for_all(struct stop *stop, size_t running, double deadline) {
    while (running) {
        int status;
        pid_t found = wait_until(-1, deadline, &status);
        if (found <= 0)
            return false;
        struct stop_thread *thread = find_thread(stop, found);
        if (thread && thread->state == STOP_RUNS)
            running -= take_report(thread, status);
    }
    return true;
}

static bool any_stands(const struct stop *stop) {
    for (size_t i = 0; i < stop->threads.count; i++)
        if (vector_items(&stop->threads, struct stop_thread)[i].state == STOP_STANDS)
            return true;
    return false;
}

/* Threads that are not stopped yet make new ones: done when a pass over all finds none. */
static enum stop_outcome stop_found(struct stop *stop, DIR *tasks, double seconds) {
    double deadline = 0;
    for (;;) {
        size_t first = stop->threads.count;
        enum stop_outcome outcome = seize_new(stop, tasks);
        if (outcome != STOP_DONE)
            return outcome;
        if (stop->threads.count == first)
            return any_stands(stop) ? STOP_DONE : STOP_GONE;
        size_t running = interrupt_from(stop, first);
        deadline = deadline > 0 ? deadline : stop->begin + seconds;
        if (!wait_for_all(stop, running, deadline))
            return STOP_LATE;
    }
}

enum stop_outcome stop_all(struct stop *stop, double seconds) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/task", stop->pid);
    DIR *tasks = opendir(path);
    if (!tasks)
        return STOP_GONE;
    enum stop_outcome outcome = stop_found(stop, tasks, seconds);
    closedir(tasks);
    return outcome;
}

enum stop_outcome stop_one(struct stop *stop, pid_t thread, double seconds) {
    enum stop_outcome outcome = seize(stop, thread, STOP_PLAIN);
    if (outcome != STOP_DONE)
        return outcome;
    size_t running = interrupt_from(stop, stop->threads.count - 1);
    if (!wait_for_all(stop, running, stop->begin + seconds))
        return STOP_LATE;
    return any_stands(stop) ? STOP_DONE : STOP_GONE;
}

static size_t release_stopped(struct stop *stop) {
    struct stop_thread *threads = stop->threads.items;
    size_t running = 0;
    for (size_t i = 0; i < stop->threads.count; i++) {
        running += threads[i].state == STOP_RUNS;
        if (threads[i].state == STOP_STANDS && inject_cure(threads[i].thread))
            threads[i].order = STOP_FRAGILE;
    }
    for (int order = STOP_ORDERS - 1; order >= 0; order--)
        for (size_t i = 0; i < stop->threads.count; i++)
            if (threads[i].state == STOP_STANDS && threads[i].order == (enum stop_order)order) {
                ptrace(PTRACE_DETACH, threads[i].thread, 0, 0);
                threads[i].state = STOP_ENDED;
            }
    return running;
}

void stop_release(struct stop *stop) {
    release_stopped(stop);
    vector_deinit(&stop->threads);
    map_deinit(&stop->known);
}

void stop_give_up(struct stop *stop, double deadline) {
    for (size_t running = release_stopped(stop); running;) {
        int status;
        pid_t found = wait_until(-1, deadline, &status);
        if (found <= 0)
            break;
        struct stop_thread *thread = find_thread(stop, found);
        if (thread && thread->state == STOP_RUNS && take_report(thread, status)) {
            release_stopped(stop);
            running--;
        }
    }
    stop_release(stop);
}
