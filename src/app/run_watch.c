/* Snapshots of the processes of a program while it runs. */
#include "app/run_watch.h"

#include "app/join.h"
#include "app/progress.h"
#include "app/recordings.h"

#include <ctype.h>
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* A look costs the program a pause of milliseconds; caulk's own work after it takes a processor that the program may
 * want: at most this part of one. */
static const double cost_share = 0.1;

static const double idle_step = 0.25; /* seconds between looks for new processes */

void run_watch_open(struct run_watch *watch, const char *folder, double every) {
    *watch = (struct run_watch){.folder = folder, .every = every};
}

static struct run_process *process_at(const struct run_watch *watch, size_t i) {
    return vector_items(&watch->processes, struct run_process *)[i];
}

void run_watch_close(struct run_watch *watch) {
    for (size_t i = 0; i < watch->processes.count; i++) {
        struct run_process *process = process_at(watch, i);
        history_deinit(&process->history);
        arena_deinit(&process->arena);
        free(process);
    }
    vector_deinit(&watch->processes);
}

struct run_process *run_watch_find(const struct run_watch *watch, int pid) {
    for (size_t i = 0; i < watch->processes.count; i++)
        if (process_at(watch, i)->pid == pid)
            return process_at(watch, i);
    return NULL;
}

static void add_process(struct run_watch *watch, int pid) {
    if (watch->processes.count >= RUN_PROCESSES_MOST || run_watch_find(watch, pid))
        return;
    struct run_process *process = calloc(1, sizeof *process);
    if (!process)
        return;
    process->pid = pid;
    process->target.pid = pid;
    process->every = watch->every;
    process->began = progress_now();
    process->due = process->began + watch->every;
    *vector_push(&watch->processes, struct run_process *) = process;
}

static void find_processes(struct run_watch *watch) {
    int spare[WIRE_SPARE_PLACES];
    for (size_t i = recordings_spare_processes(watch->folder, spare); i-- > 0;)
        if (kill(spare[i], 0) == 0)
            add_process(watch, spare[i]);
    DIR *directory = opendir(watch->folder);
    for (struct dirent *entry; directory && (entry = readdir(directory));)
        if (isdigit((unsigned char)entry->d_name[0]) && kill(atoi(entry->d_name), 0) == 0)
            add_process(watch, atoi(entry->d_name));
    if (directory)
        closedir(directory);
}

static void give_up(struct run_process *process, struct error *error) {
    process->over = true;
    snprintf(process->trouble, sizeof process->trouble, "%s", error->message);
    error_discard(error);
}

static void look(struct run_process *process) {
    struct heap *heap;
    struct stage stage;
    struct join join;
    join_open(process->pid, &join);
    struct error *error = target_open(&process->target, &heap);
    if (error) {
        join_close(&join);
        give_up(process, error);
        return;
    }
    stage_open(&stage, heap);
    history_add(&process->history, &stage, RUN_OBSERVATIONS_MOST);
    process->looks++;
    if (process->history.count >= WATCH_LEAST) {
        join_samples(&stage, &join);
        pipeline_conclude(&stage, &process->history, &process->arena, &process->verdict);
        process->has_verdict = true;
    }
    stage_close(&stage);
    if (process->history.count == RUN_OBSERVATIONS_MOST) {
        history_thin(&process->history);
        process->every *= 2;
    }
}

static double processor_seconds(void) {
    struct timespec time = {0};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* The process that has waited longest for its look; NULL if none is due. */
static struct run_process *most_overdue(const struct run_watch *watch, double now) {
    struct run_process *best = NULL;
    for (size_t i = 0; i < watch->processes.count; i++) {
        struct run_process *process = process_at(watch, i);
        if (!process->over && process->due <= now && (!best || process->due < best->due))
            best = process;
    }
    return best;
}

double run_watch_step(struct run_watch *watch, bool now_all) {
    if (watch->every <= 0 && !now_all)
        return 3600;
    find_processes(watch);
    for (size_t i = 0; now_all && i < watch->processes.count; i++)
        if (!process_at(watch, i)->over)
            look(process_at(watch, i));
    double began = progress_now(), worked = processor_seconds();
    struct run_process *process = began < watch->rest_until || now_all ? NULL : most_overdue(watch, began);
    if (process) {
        look(process);
        process->due = began + process->every;
        watch->rest_until = began + (processor_seconds() - worked) / cost_share;
    }
    return idle_step;
}
