/* Takes pictures of a stopped target and leaves no trace of them. */
#include "memory/picture.h"

#include "memory/maps.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { ZOMBIES_MAX = 16, CALL_SECONDS = 30, COLLECT_TRIES = 50 };

/* No other thread waits for this one, and on a busy machine it may take long until it has its turn. */
static const double one_stop_seconds = 0.5;

/* The first candidates are threads that wait in a call which the kernel can begin again. */
static bool begin_in_some_thread(const struct stop *stop, const struct injector *injector, struct injection *out) {
    const struct stop_thread *threads = stop->threads.items;
    for (int wanted = 2; wanted >= 0; wanted--)
        for (size_t i = 0; i < stop->threads.count; i++)
            if (threads[i].state == STOP_STANDS && inject_suits(threads[i].thread) == wanted &&
                injection_begin(out, threads[i].thread, injector))
                return true;
    return false;
}

/* Shared descriptors: a picture with its own would keep sockets open that the target closes. No signal at
 * its end: the target's waitpid does not see it. */
static bool call_clone(struct injection *injection, long *result_out, pid_t *child_out) {
    const uint64_t arguments[6] = {CLONE_FILES | CLONE_FS, injection->child_frame};
    *child_out = 0;
    return injection_call(injection, SYS_clone, arguments, stop_clock() + CALL_SECONDS, result_out, child_out);
}

static void spare_target_from_oom(pid_t picture) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/oom_score_adj", picture);
    int file = open(path, O_WRONLY | O_CLOEXEC);
    if (file < 0)
        return;
    ssize_t written = write(file, "1000", 4);
    (void)written; /* a kindness only */
    close(file);
}

enum picture_outcome picture_take(const struct stop *stop, const struct injector *injector, struct picture *out) {
    struct injection injection;
    long result;
    *out = (struct picture){0};
    if (!begin_in_some_thread(stop, injector, &injection))
        return PICTURE_REFUSED;
    if (!call_clone(&injection, &result, &out->pid))
        return PICTURE_LOST;
    out->target_pid = (pid_t)result;
    bool restored = injection_end(&injection, stop_clock() + CALL_SECONDS);
    if (result > 0 && out->pid)
        spare_target_from_oom(out->pid);
    return !restored ? PICTURE_LOST : result > 0 && out->pid ? PICTURE_TAKEN : PICTURE_REFUSED;
}

/* Fields of /proc/PID/stat, counted from 1. */
enum stat_field {
    STAT_STATE = 3,
    STAT_MINOR_FAULTS = 10,
    STAT_MAJOR_FAULTS = 12,
    STAT_EXIT_SIGNAL = 38,
    STAT_EXIT_CODE = 52,
    STAT_FIELDS = 53,
};

static bool read_stat(pid_t pid, char *state_out, long long *fields_out) {
    char path[64], text[2048];
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    if (proc_read(path, sizeof text, text) <= 0)
        return false;
    char *field = strrchr(text, ')');
    if (!field || field[1] != ' ')
        return false;
    *state_out = field[2];
    field += 3;
    int number = STAT_STATE + 1;
    for (char *save = NULL, *word = strtok_r(field, " \n", &save); word && number < STAT_FIELDS;
         word = strtok_r(NULL, " \n", &save))
        fields_out[number++] = strtoll(word, NULL, 10);
    return number == STAT_FIELDS;
}

/* A child that ends without a signal, and either by our status or by SIGKILL before its first instruction, for
 * which it would have faulted: nobody but us makes such. */
static bool is_left_picture(pid_t pid) {
    char state;
    long long fields[STAT_FIELDS];
    if (!read_stat(pid, &state, fields) || state != 'Z' || fields[STAT_EXIT_SIGNAL] != 0)
        return false;
    return fields[STAT_EXIT_CODE] == INJECT_CHILD_STATUS << 8 ||
           (fields[STAT_EXIT_CODE] == SIGKILL && fields[STAT_MINOR_FAULTS] == 0 && fields[STAT_MAJOR_FAULTS] == 0);
}

/* The numbers of `pid` in the namespaces that it is in, outermost first; returns their count. */
static int namespace_numbers(pid_t pid, int capacity, pid_t *out) {
    char path[64], status[8192];
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    const char *line = proc_read(path, sizeof status, status) > 0 ? strstr(status, "\nNSpid:") : NULL;
    int count = 0;
    for (char *at = line ? (char *)line + 7 : NULL; at && count < capacity; count++) {
        char *end;
        long number = strtol(at, &end, 10);
        if (end == at || *at == '\n' || number == 0)
            break;
        out[count] = (pid_t)number;
        at = *end == '\t' ? end + 1 : NULL;
    }
    return count;
}

/* The number by which `target` knows `pid`; 0 if that cannot be told. */
static pid_t number_for(pid_t target, pid_t pid) {
    enum { DEEPEST = 40 };
    pid_t own[DEEPEST], other[DEEPEST];
    int depth = namespace_numbers(target, DEEPEST, own);
    return depth > 0 && namespace_numbers(pid, DEEPEST, other) >= depth ? other[depth - 1] : 0;
}

static size_t add_children(int pid, const char *thread, size_t count, pid_t *zombies) {
    char path[300], text[16384];
    snprintf(path, sizeof path, "/proc/%d/task/%s/children", pid, thread);
    if (proc_read(path, sizeof text, text) <= 0)
        return count;
    for (char *save = NULL, *word = strtok_r(text, " ", &save); word && count < ZOMBIES_MAX;
         word = strtok_r(NULL, " ", &save)) {
        pid_t child = atoi(word);
        pid_t number = child > 0 && is_left_picture(child) ? number_for(pid, child) : 0;
        if (number)
            zombies[count++] = number;
    }
    return count;
}

/* Pictures whose visitor was killed; the one that was just ended is among them. */
static size_t find_left_pictures(int pid, pid_t first, pid_t *zombies) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/task", pid);
    DIR *tasks = opendir(path);
    size_t count = 0;
    for (struct dirent *entry; tasks && (entry = readdir(tasks));)
        if (entry->d_name[0] != '.')
            count = add_children(pid, entry->d_name, count, zombies);
    if (tasks)
        closedir(tasks);
    for (size_t i = 0; i < count; i++)
        if (zombies[i] == first)
            return count;
    zombies[count < ZOMBIES_MAX ? count++ : 0] = first;
    return count;
}

/* True if the thread is as it was. */
static bool collect_by(const struct stop *stop, const struct injector *injector, const pid_t *zombies, size_t count,
                       bool *done_out) {
    struct injection injection;
    if (!begin_in_some_thread(stop, injector, &injection))
        return true;
    double deadline = stop_clock() + CALL_SECONDS;
    for (size_t i = 0; i < count; i++) {
        const uint64_t arguments[6] = {(uint64_t)zombies[i], 0, __WALL | WNOHANG};
        long result;
        if (!injection_call(&injection, SYS_wait4, arguments, deadline, &result, NULL))
            return false;
    }
    *done_out = true;
    return injection_end(&injection, deadline);
}

/* Best is a thread that sleeps and has no children (see stop_order); 0 for one that cannot be asked. */
static int thread_rank(int pid, pid_t thread) {
    char path[64], text[256];
    snprintf(path, sizeof path, "/proc/%d/task/%d/stat", pid, thread);
    char state = thread > 0 ? proc_state(path) : 0;
    if (state == 0 || strchr("DZX", state))
        return 0;
    snprintf(path, sizeof path, "/proc/%d/task/%d/syscall", pid, thread);
    if (thread == pid || (proc_read(path, sizeof text, text) > 0 && inject_awaits_child(atol(text))))
        return 1;
    return state == 'S' ? 3 : 2;
}

static pid_t choose_thread(int pid) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/task", pid);
    DIR *tasks = opendir(path);
    pid_t chosen = 0;
    int best = 0;
    for (struct dirent *entry; tasks && best < 3 && (entry = readdir(tasks));) {
        int rank = thread_rank(pid, atoi(entry->d_name));
        if (rank > best) {
            best = rank;
            chosen = atoi(entry->d_name);
        }
    }
    if (tasks)
        closedir(tasks);
    return chosen;
}

double picture_discard(int pid, const struct injector *injector, const struct picture *picture) {
    int status;
    double stood = 0;
    kill(picture->pid, SIGKILL);
    while (stop_wait(picture->pid, stop_clock() + CALL_SECONDS, &status) && WIFSTOPPED(status))
        ;
    pid_t zombies[ZOMBIES_MAX];
    size_t count = find_left_pictures(pid, picture->target_pid, zombies);
    bool done = false, sound = true;
    for (int i = 0; i < COLLECT_TRIES && sound && !done; i++) {
        struct stop stop = {.pid = pid};
        pid_t thread = choose_thread(pid);
        enum stop_outcome outcome = thread ? stop_one(&stop, thread, one_stop_seconds) : STOP_REFUSED;
        if (outcome == STOP_DONE)
            sound = collect_by(&stop, injector, zombies, count, &done);
        if (outcome == STOP_LATE) /* it is ours until it has stopped: nobody could ask it again before */
            stop_give_up(&stop, stop_clock() + CALL_SECONDS);
        else
            stop_release(&stop);
        stood += stop.begin > 0 ? stop_clock() - stop.begin : 0;
        if (!done)
            nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    }
    return stood;
}
