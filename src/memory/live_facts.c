/* What /proc says of a process: who it is and what its resident memory is made of. */
#include "memory/live.h"
#include "memory/maps.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void read_command(struct live_identity *out) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/cmdline", proc_live_thread(out->pid));
    long length = proc_read(path, sizeof out->command, out->command);
    while (length > 0 && out->command[length - 1] == '\0')
        length--;
    out->command_length = length > 0 ? (size_t)length : 0;
    for (size_t i = 0; i < out->command_length; i++)
        if (out->command[i] == '\0')
            out->command[i] = '\x1f';
}

static void read_executable(struct live_identity *out) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/exe", proc_live_thread(out->pid));
    ssize_t length = readlink(path, out->executable, sizeof out->executable - 1);
    out->executable[length > 0 ? length : 0] = '\0';
}

static bool parse_stat(const char *text, struct live_identity *out) {
    const char *threads = proc_stat_field(text, 20), *start_time = proc_stat_field(text, 22);
    if (!start_time)
        return false;
    out->threads = atoi(threads);
    out->start_time = strtoull(start_time, NULL, 10);
    return true;
}

struct error *live_identify(int pid, struct live_identity *out) {
    char path[64], text[8192];
    *out = (struct live_identity){.pid = pid};
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    if (pid <= 0 || proc_read(path, sizeof text, text) <= 0 || !parse_stat(text, out))
        return error_create(STATUS_NO_TARGET, "there is no process %d", pid);
    snprintf(path, sizeof path, "/proc/%d/status", proc_live_thread(pid));
    if (proc_read(path, sizeof text, text) > 0)
        out->resident = (uint64_t)proc_status_field(text, "VmRSS:", 0) << 10;
    read_executable(out);
    read_command(out);
    return NULL;
}

enum { STACKS_MAX = 4096 };

/* Stack pointers of the threads that wait in a system call; the others run and cannot be asked. */
static size_t stack_pointers(int pid, remote_address *out) {
    char path[300], text[512];
    snprintf(path, sizeof path, "/proc/%d/task", pid);
    DIR *threads = opendir(path);
    size_t count = 0;
    for (struct dirent *entry; threads && count < STACKS_MAX && (entry = readdir(threads));) {
        snprintf(path, sizeof path, "/proc/%d/task/%s/syscall", pid, entry->d_name);
        if (entry->d_name[0] == '.' || proc_read(path, sizeof text, text) <= 0)
            continue;
        const char *last = strrchr(text, ' ');
        const char *pointer = last;
        while (pointer && pointer > text && *--pointer != ' ')
            ;
        if (last && pointer > text)
            out[count++] = strtoull(pointer, NULL, 16);
    }
    if (threads)
        closedir(threads);
    return count;
}

struct smaps_mapping {
    bool stack, shared_memory;
    uint64_t resident, anonymous, swapped;
};

static void start_mapping(const char *line, const remote_address *stacks, size_t stack_count,
                          struct smaps_mapping *out) {
    unsigned long long begin, end;
    char permissions[5];
    int path_at = 0;
    *out = (struct smaps_mapping){0};
    if (sscanf(line, "%llx-%llx %4s %*s %*s %*s %n", &begin, &end, permissions, &path_at) < 3)
        return;
    const char *path = path_at ? line + path_at : "";
    for (size_t i = 0; i < stack_count; i++)
        out->stack |= *path != '/' && stacks[i] >= begin && stacks[i] < end;
    out->stack &= permissions[3] == 'p' && strncmp(path, "[heap]", 6) != 0;
    out->stack |= strncmp(path, "[stack]", 7) == 0;
    out->shared_memory = permissions[3] == 's' &&
                         (strncmp(path, "/dev/shm/", 9) == 0 || strncmp(path, "/memfd:", 7) == 0 ||
                          strncmp(path, "/dev/zero", 9) == 0 || strncmp(path, "/SYSV", 5) == 0);
}

static void add_mapping(const struct smaps_mapping *mapping, struct live_resident *out) {
    uint64_t rest = mapping->resident - mapping->anonymous;
    out->total += mapping->resident;
    out->swapped += mapping->swapped;
    if (mapping->stack) {
        out->stacks += mapping->resident;
        return;
    }
    out->anonymous += mapping->anonymous;
    *(mapping->shared_memory ? &out->shared : &out->file) += rest;
}

static void read_amount(const char *line, const char *field, uint64_t *out) {
    size_t length = strlen(field);
    if (strncmp(line, field, length) == 0)
        *out = strtoull(line + length, NULL, 10) << 10;
}

struct error *live_resident(int pid, struct live_resident *out) {
    *out = (struct live_resident){0};
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/smaps", proc_live_thread(pid));
    FILE *file = fopen(path, "re");
    if (!file)
        return error_from_errno(errno == EACCES || errno == EPERM ? STATUS_PERMISSION : STATUS_NO_TARGET,
                                "reading the resident memory of process %d", pid);
    remote_address *stacks = calloc(STACKS_MAX, sizeof *stacks);
    size_t stack_count = stacks ? stack_pointers(pid, stacks) : 0;
    struct smaps_mapping mapping = {0};
    char *line = NULL;
    size_t capacity = 0;
    while (getline(&line, &capacity, file) > 0) {
        if (line[0] < 'A' || line[0] > 'Z') {
            add_mapping(&mapping, out);
            start_mapping(line, stacks, stack_count, &mapping);
        } else {
            read_amount(line, "Rss:", &mapping.resident);
            read_amount(line, "Anonymous:", &mapping.anonymous);
            read_amount(line, "Swap:", &mapping.swapped);
        }
    }
    add_mapping(&mapping, out);
    free(stacks);
    free(line);
    fclose(file);
    if (out->total == 0)
        return error_create(STATUS_NO_TARGET, "process %d has no memory: it has ended", pid);
    return NULL;
}

/* /proc/PID/task/TID/schedstat: nanoseconds on a processor, nanoseconds in the run queue, time slices. A thread that
 * has nothing to do leaves the processor by its own will. */
static bool add_schedule(const char *tasks, const char *name, struct live_schedule *out) {
    char path[512], text[8192];
    unsigned long long running, waiting;
    snprintf(path, sizeof path, "%s/%s/schedstat", tasks, name);
    if (proc_read(path, sizeof text, text) <= 0 || sscanf(text, "%llu %llu", &running, &waiting) != 2)
        return false;
    out->running += (double)running / 1e9;
    out->waiting += (double)waiting / 1e9;
    snprintf(path, sizeof path, "%s/%s/status", tasks, name);
    if (proc_read(path, sizeof text, text) > 0)
        out->rests += (uint64_t)proc_status_field(text, "voluntary_ctxt_switches:", 0);
    return true;
}

bool live_schedule(int pid, struct live_schedule *out) {
    char path[64];
    *out = (struct live_schedule){0};
    snprintf(path, sizeof path, "/proc/%d/task", pid);
    DIR *tasks = opendir(path);
    bool known = false;
    for (struct dirent *task; tasks && (task = readdir(tasks));)
        if (task->d_name[0] != '.')
            known |= add_schedule(path, task->d_name, out);
    if (tasks)
        closedir(tasks);
    return known;
}
