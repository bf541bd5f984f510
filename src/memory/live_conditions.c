/* Reads from /proc and the control groups what decides whether and how a picture can be taken. */
#include "memory/live_conditions.h"

#include "memory/inject.h"
#include "memory/maps.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TEXT_BYTES = 16384, PATH_BYTES = 700 };

static uint64_t field_bytes(const char *text, const char *field) {
    return (uint64_t)proc_status_field(text, field, 0) << 10;
}

static void read_status(int pid, struct live_conditions *out) {
    char path[64], text[TEXT_BYTES];
    struct stat status;
    int thread = proc_live_thread(pid);
    out->main_thread_ended = thread != pid;
    pid = thread;
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    out->state = proc_state(path);
    snprintf(path, sizeof path, "/proc/%d", pid);
    out->own_user = stat(path, &status) == 0 && status.st_uid == geteuid();
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    if (proc_read(path, sizeof text, text) <= 0)
        return;
    out->threads = (int)proc_status_field(text, "Threads:", 0);
    out->seccomp = (int)proc_status_field(text, "Seccomp:", 0);
    out->shadow_stack = strstr(text, "shstk") != NULL;
    out->resident = field_bytes(text, "VmRSS:");
    out->anonymous = field_bytes(text, "RssAnon:");
    out->swapped = field_bytes(text, "VmSwap:");
    out->virtual_size = field_bytes(text, "VmSize:");
}

static void read_huge_pages(int pid, struct live_conditions *out) {
    char path[64], text[TEXT_BYTES];
    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", pid);
    if (proc_read(path, sizeof text, text) > 0)
        out->huge = field_bytes(text, "AnonHugePages:");
}

static bool opens(int pid, const char *name) {
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file >= 0)
        close(file);
    return file >= 0;
}

static int count_stuck(int pid) {
    char path[300];
    snprintf(path, sizeof path, "/proc/%d/task", pid);
    DIR *tasks = opendir(path);
    int stuck = 0;
    for (struct dirent *entry; tasks && (entry = readdir(tasks));) {
        snprintf(path, sizeof path, "/proc/%d/task/%s/stat", pid, entry->d_name);
        stuck += entry->d_name[0] != '.' && proc_state(path) == 'D';
    }
    if (tasks)
        closedir(tasks);
    return stuck;
}

static bool namespace_differs(int pid, const char *name) {
    char path[64], own[64] = "", other[64] = "";
    snprintf(path, sizeof path, "/proc/self/ns/%s", name);
    bool known = readlink(path, own, sizeof own - 1) > 0;
    snprintf(path, sizeof path, "/proc/%d/ns/%s", pid, name);
    return known && readlink(path, other, sizeof other - 1) > 0 && strcmp(own, other) != 0;
}

static bool is_deleted(const char *path) {
    static const char mark[] = " (deleted)";
    size_t length = strlen(path);
    return length >= sizeof mark && strcmp(path + length - (sizeof mark - 1), mark) == 0;
}

static void read_files(int pid, const struct memory *memory, struct live_conditions *out) {
    char name[64];
    for (size_t i = 0; i < memory->segment_count; i++) {
        const struct memory_segment *segment = &memory->segments[i];
        if (!(segment->flags & SEGMENT_FILE) || !(segment->flags & SEGMENT_EXECUTE))
            continue;
        snprintf(name, sizeof name, "map_files/%llx-%llx", (unsigned long long)segment->begin,
                 (unsigned long long)segment->end);
        *(opens(pid, name) ? &out->mapped_files : &out->mapped_files_closed) += 1;
        if (!is_deleted(segment->path))
            continue;
        out->deleted_files++;
        snprintf(out->deleted_file, sizeof out->deleted_file, "%.*s", (int)strlen(segment->path) - 10, segment->path);
    }
}

/* --- limits --- */

/* The soft limit of one line of /proc/PID/limits. */
static uint64_t read_limit(const char *limits, const char *name) {
    const char *line = strstr(limits, name);
    char *end;
    if (!line)
        return LIVE_UNLIMITED;
    line += strlen(name);
    uint64_t value = strtoull(line, &end, 10);
    return end == line ? LIVE_UNLIMITED : value;
}

/* Threads of all processes of the real user `user`, which is what the kernel counts. */
static uint64_t count_tasks_of(long user) {
    char path[300], text[TEXT_BYTES];
    DIR *all = opendir("/proc");
    uint64_t count = 0;
    for (struct dirent *entry; all && (entry = readdir(all));) {
        snprintf(path, sizeof path, "/proc/%s/status", entry->d_name);
        if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' && proc_read(path, sizeof text, text) > 0 &&
            proc_status_field(text, "Uid:", -1) == user)
            count += (uint64_t)proc_status_field(text, "Threads:", 1);
    }
    if (all)
        closedir(all);
    return count;
}

/* The kernel does not hold the superuser to a number of processes. */
static void read_limits(int pid, struct live_conditions *out) {
    char path[64], text[TEXT_BYTES];
    snprintf(path, sizeof path, "/proc/%d/limits", pid);
    if (proc_read(path, sizeof text, text) <= 0)
        return;
    out->address_space_limit = read_limit(text, "Max address space");
    uint64_t processes = read_limit(text, "Max processes");
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    long user = proc_read(path, sizeof text, text) > 0 ? proc_status_field(text, "Uid:", 0) : 0;
    if (!user || processes == LIVE_UNLIMITED)
        return;
    out->processes_limit = processes;
    out->processes_of_user = count_tasks_of(user);
}

static void read_machine(struct live_conditions *out) {
    char text[TEXT_BYTES];
    bool strict = proc_read("/proc/sys/vm/overcommit_memory", sizeof text, text) > 0 && atol(text) == 2;
    if (proc_read("/proc/meminfo", sizeof text, text) <= 0)
        return;
    out->available = field_bytes(text, "MemAvailable:");
    if (!strict)
        return;
    out->commit_limit = field_bytes(text, "CommitLimit:");
    out->committed = field_bytes(text, "Committed_AS:");
}

/* --- control groups --- */

/* Names that the two versions of control groups have for the same things. */
struct group_words {
    const char *controller; /* "" is the one hierarchy of version 2 */
    const char *root, *limit, *used, *statistics_field;
};

static const struct group_words memory_words[] = {
    {"memory", "/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file "},
    {"", "/sys/fs/cgroup", "memory.max", "memory.current", "inactive_file "},
};
static const struct group_words task_words[] = {
    {"pids", "/sys/fs/cgroup/pids", "pids.max", "pids.current", NULL},
    {"", "/sys/fs/cgroup", "pids.max", "pids.current", NULL},
};

/* The group of one hierarchy from a line "4:memory:/path" of /proc/PID/cgroup. */
static bool find_group(const char *text, const char *controller, size_t capacity, char *out) {
    for (const char *line = text; line && *line; line = strchr(line, '\n'), line += line != NULL) {
        const char *names = strchr(line, ':'), *path = names ? strchr(names + 1, ':') : NULL;
        if (!path)
            continue;
        size_t length = strlen(controller);
        bool found = length == 0 && path == names + 1;
        for (const char *name = names + 1; length && name < path; name += strcspn(name, ",:") + 1)
            found |= strcspn(name, ",:") == length && memcmp(name, controller, length) == 0;
        if (found) {
            snprintf(out, capacity, "%.*s", (int)strcspn(path + 1, "\n"), path + 1);
            return true;
        }
    }
    return false;
}

static uint64_t read_number(const char *folder, const char *name) {
    char path[PATH_BYTES], text[64], *end;
    snprintf(path, sizeof path, "%.640s/%s", folder, name);
    if (proc_read(path, sizeof text, text) <= 0)
        return LIVE_UNLIMITED;
    uint64_t value = strtoull(text, &end, 10);
    return end == text || value >= LIVE_UNLIMITED / 4 ? LIVE_UNLIMITED : value; /* version 1 has a huge number for none */
}

static uint64_t read_droppable(const char *folder, const char *field) {
    char path[PATH_BYTES], text[TEXT_BYTES];
    snprintf(path, sizeof path, "%.640s/memory.stat", folder);
    const char *at = field && proc_read(path, sizeof text, text) > 0 ? strstr(text, field) : NULL;
    while (at && at > text && at[-1] != '\n')
        at = strstr(at + 1, field);
    return at ? strtoull(at + strlen(field), NULL, 10) : 0;
}

/* Keeps the group with the least room. */
static void consider_group(const struct group_words *words, const char *folder, struct live_group *out) {
    uint64_t limit = read_number(folder, words->limit), used = read_number(folder, words->used);
    if (limit == LIVE_UNLIMITED || used == LIVE_UNLIMITED)
        return;
    uint64_t droppable = read_droppable(folder, words->statistics_field);
    used -= droppable < used ? droppable : used;
    uint64_t room = limit > used ? limit - used : 0, least = out->limit > out->used ? out->limit - out->used : 0;
    if (out->limit != LIVE_UNLIMITED && room >= least)
        return;
    out->limit = limit;
    out->used = used;
    snprintf(out->path, sizeof out->path, "%.500s", folder);
}

/* A group and all above it; a path that is not visible here, as in a container, is passed over. */
static void read_groups(const char *pid, const struct group_words *words, size_t count, struct live_group *out) {
    char path[PATH_BYTES], text[TEXT_BYTES], group[512];
    *out = (struct live_group){.limit = LIVE_UNLIMITED};
    snprintf(path, sizeof path, "/proc/%s/cgroup", pid);
    if (proc_read(path, sizeof text, text) <= 0)
        return;
    for (size_t i = 0; i < count; i++) {
        if (!find_group(text, words[i].controller, sizeof group, group) || strstr(group, ".."))
            continue;
        for (char *slash = group + strlen(group); slash; slash = strrchr(group, '/')) {
            *slash = '\0';
            snprintf(path, sizeof path, "%s%s", words[i].root, group);
            consider_group(&words[i], path, out);
        }
    }
}

/* What the page tables of a picture take, and the pages that a busy process changes while it is copied. */
static bool lacks_room(const struct live_conditions *conditions) {
    const struct live_group *group = &conditions->group;
    uint64_t room = group->limit > group->used ? group->limit - group->used : 0;
    uint64_t needed = conditions->resident / 512 + conditions->anonymous / 4;
    return group->limit != LIVE_UNLIMITED && room < needed;
}

const char *live_conditions_against_picture(const struct live_conditions *conditions) {
    if (conditions->seccomp)
        return "it runs under seccomp, whose filter may forbid the fork (root outside of its container may ask it)";
    if (conditions->shadow_stack)
        return "it runs with a shadow stack, which forbids calls from outside";
    if (!conditions->has_instructions)
        return "no instruction was found by which it could be made to fork";
    if (lacks_room(conditions))
        return "its control group is near its limit of memory, and pages that it changes during a picture exist twice";
    if (conditions->processes_limit != LIVE_UNLIMITED && conditions->processes_of_user >= conditions->processes_limit)
        return "its user is at the limit of processes (RLIMIT_NPROC), so it cannot fork";
    if (conditions->tasks_limit != LIVE_UNLIMITED && conditions->tasks_used >= conditions->tasks_limit)
        return "its control group is at the limit of processes (pids.max), so it cannot fork";
    if (conditions->commit_limit != LIVE_UNLIMITED &&
        conditions->committed + conditions->anonymous > conditions->commit_limit)
        return "vm.overcommit_memory is 2 and the machine has promised all it may, so it cannot fork";
    return NULL;
}

static void read_tasks_group(const char *pid, struct live_conditions *out) {
    struct live_group tasks;
    read_groups(pid, task_words, 2, &tasks);
    out->tasks_limit = tasks.limit;
    out->tasks_used = tasks.used;
}

void live_conditions_read_few(int pid, struct live_conditions *out) {
    char number[16];
    *out = (struct live_conditions){.address_space_limit = LIVE_UNLIMITED,
                                    .processes_limit = LIVE_UNLIMITED,
                                    .commit_limit = LIVE_UNLIMITED};
    read_status(pid, out);
    read_machine(out);
    snprintf(number, sizeof number, "%d", proc_live_thread(pid));
    read_groups(number, memory_words, 2, &out->group);
    read_tasks_group(number, out);
}

void live_conditions_read(int pid, const struct memory *memory, struct live_conditions *out) {
    struct injector injector;
    live_conditions_read_few(pid, out);
    pid = proc_live_thread(pid);
    out->readable = opens(pid, "mem");
    out->threads_stuck = count_stuck(pid);
    out->other_processes = namespace_differs(pid, "pid");
    out->other_mounts = namespace_differs(pid, "mnt");
    out->other_users = namespace_differs(pid, "user");
    read_limits(pid, out);
    read_groups("self", memory_words, 2, &out->own_group);
    if (!memory)
        return;
    read_huge_pages(pid, out);
    read_files(pid, memory, out);
    out->has_instructions = injector_find(memory, &injector);
}
