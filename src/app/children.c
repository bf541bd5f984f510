/* Growth that lies in a child: of a pool of workers the parent shows nothing. */
#include "app/children.h"

#include "diagnosis/amount.h"
#include "diagnosis/summary.h"
#include "memory/maps.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

enum { DEPTH_MOST = 16 };

/* A process of the machine, as /proc shows it. */
struct process {
    int pid, parent;
    uint64_t start_time;
};

static bool read_process(const char *name, struct process *out) {
    char path[300], text[8192];
    snprintf(path, sizeof path, "/proc/%s/stat", name);
    if (proc_read(path, sizeof text, text) <= 0)
        return false;
    const char *state = proc_stat_field(text, 3), *parent = proc_stat_field(text, 4), *start_time = proc_stat_field(text, 22);
    if (!start_time || *state == 'Z')
        return false;
    *out = (struct process){.pid = atoi(name), .parent = atoi(parent), .start_time = strtoull(start_time, NULL, 10)};
    return out->start_time > 0;
}

static void read_processes(struct vector *out) {
    DIR *all = opendir("/proc");
    for (struct dirent *entry; all && (entry = readdir(all));) {
        struct process process;
        if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' && read_process(entry->d_name, &process))
            *vector_push(out, struct process) = process;
    }
    if (all)
        closedir(all);
}

static const struct process *find_process(const struct vector *all, int pid) {
    const struct process *processes = vector_items(all, struct process);
    for (size_t i = 0; i < all->count; i++)
        if (processes[i].pid == pid)
            return &processes[i];
    return NULL;
}

static bool descends_from(const struct vector *all, const struct process *process, int ancestor) {
    for (int depth = 0; process && depth < DEPTH_MOST; depth++) {
        if (process->parent == ancestor)
            return true;
        process = find_process(all, process->parent);
    }
    return false;
}

/* What is the process's own: pages of files and those of its libraries are everybody's. */
static double own_memory(int pid) {
    char path[64], text[8192];
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    if (proc_read(path, sizeof text, text) <= 0)
        return 0;
    long kilobytes = proc_status_field(text, "RssAnon:", 0) + proc_status_field(text, "RssShmem:", 0);
    return (double)kilobytes * 1024;
}

static struct child *child_of(struct watch *watch, const struct process *process) {
    struct child *children = vector_items(&watch->children, struct child);
    for (size_t i = 0; i < watch->children.count; i++)
        if (children[i].pid == process->pid && children[i].start_time == process->start_time)
            return &children[i];
    struct child *child = vector_push(&watch->children, struct child);
    *child = (struct child){.pid = process->pid, .start_time = process->start_time};
    return child;
}

void children_look(struct watch *watch) {
    struct vector all = {0};
    int pid = watch->targets[0].pid;
    read_processes(&all);
    for (size_t i = 0; i < all.count; i++) {
        const struct process *process = &vector_items(&all, struct process)[i];
        if (process->pid == getpid() || !descends_from(&all, process, pid))
            continue;
        struct child *child = child_of(watch, process);
        if (child->count < CHILD_LOOKS_MOST) {
            child->time[child->count] = progress_now();
            child->memory[child->count++] = own_memory(process->pid);
        }
    }
    vector_deinit(&all);
}

void children_deinit(struct watch *watch) {
    vector_deinit(&watch->children);
}

/* Resident memory only tells where to look: it comes in steps, and a warm-up looks like a leak in it. */
static double growth_of(const struct child *child) {
    enum { LEAST_LOOKS = 3, LEAST_RISE = 128 << 10 };
    if (child->count < LEAST_LOOKS)
        return 0;
    double first = child->memory[0], middle = child->memory[child->count / 2], last = child->memory[child->count - 1];
    if (last < first + LEAST_RISE || last - middle < (last - first) / 4)
        return 0;
    return (last - first) / (child->time[child->count - 1] - child->time[0]);
}

static const struct child *fastest(const struct watch *watch) {
    const struct child *children = vector_items(&watch->children, struct child), *best = NULL;
    for (size_t i = 0; i < watch->children.count; i++)
        if (growth_of(&children[i]) > (best ? growth_of(best) : 0))
            best = &children[i];
    return best;
}

/* What was found in the child is this verdict's: the texts live in `arena` with it. */
static void take_findings(struct verdict *verdict, const struct verdict *of_child, struct arena *arena) {
    for (size_t i = 0; i < of_child->finding_count; i++) {
        struct finding *finding = &of_child->findings[i];
        const char **evidence = arena_new(arena, const char *, finding->evidence_count + 1);
        evidence[0] = arena_format(arena, "in a child process: caulk leaks %d tells more; there it is of the kind %s",
                                   of_child->pid, finding_kind_name(finding->kind));
        if (finding->evidence_count)
            memcpy(evidence + 1, finding->evidence, finding->evidence_count * sizeof *evidence);
        finding->evidence = evidence;
        finding->evidence_count++;
        finding->pid = of_child->pid;
        finding->kind = KIND_CHILD_PROCESS;
        finding->title = arena_format(arena, "in child process %d %s", of_child->pid, finding->title);
    }
    verdict->findings = of_child->findings;
    verdict->finding_count = of_child->finding_count;
    verdict->outcome = of_child->outcome;
}

static struct error *watch_child(const struct watch *watch, int pid, struct arena *arena, struct verdict *out) {
    struct target target = watch->targets[0];
    struct watch other;
    target.pid = pid;
    target.start_time = 0;
    target.remark_count = 0;
    watch_open(&other, &target, 1, watch->seconds, watch->asked);
    other.lines = watch->lines;
    other.sampler = watch->sampler;
    struct error *error = pipeline_leaks(&other, arena, out);
    watch_close(&other);
    children_deinit(&other);
    return error;
}

void children_follow(const struct watch *watch, struct arena *arena, struct verdict *verdict) {
    const struct child *child = fastest(watch);
    if (!child || watch->interrupted)
        return;
    const char *rate = amount_rate(arena, growth_of(child));
    if (verdict->outcome != VERDICT_NO_LEAK) {
        summary_add_note(verdict, arena, arena_format(arena, "child process %d grows too, by %s of resident memory: caulk leaks %d",
                                              child->pid, rate, child->pid));
        return;
    }
    struct verdict of_child = {0};
    struct arena found = {0};
    struct error *error = watch_child(watch, child->pid, &found, &of_child);
    if (error)
        summary_add_note(verdict, arena, arena_format(arena, "child process %d grows by %s of resident memory, but could not be "
                                              "watched: %s", child->pid, rate, error->message));
    else if (of_child.outcome == VERDICT_LEAK)
        take_findings(verdict, &of_child, &found);
    else
        summary_add_note(verdict, arena, arena_format(arena, "child process %d, which grew by %s of resident memory, was watched "
                                              "too: no leak", child->pid, rate));
    error_discard(error);
    arena_join(arena, &found);
}
