/* The recording: one mapped file, whose memory is asked for piece by piece and never missed afterwards. */
#include "agent/agent_work.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

enum { BACKED_STEP = 64 << 10, MOMENTS = 1024, NAMES = 100, PAGE = 4096 };

struct wire_head *agent_recording;

static const struct {
    uint32_t entry_size, share; /* of the file, in 64ths; 0: MOMENTS entries */
} plan[WIRE_REGIONS] = {
    [WIRE_TEXTS] = {1, 6},
    [WIRE_CODES] = {sizeof(struct wire_code), 4},
    [WIRE_PLACES] = {sizeof(struct wire_place), 11},
    [WIRE_FRAMES] = {sizeof(struct wire_frame), 9},
    [WIRE_STACKS] = {sizeof(struct wire_stack), 32},
    [WIRE_TIMELINE] = {sizeof(struct wire_moment), 0},
};

static size_t round_to_page(size_t bytes) {
    return (bytes + PAGE - 1) & ~(size_t)(PAGE - 1);
}

/* Three quarters are the recording; the rest is for what is not in it: tables of stacks, heads of spans. */
static size_t plan_regions(size_t memory, struct wire_region *regions) {
    size_t file = memory / 4 * 3, offset = WIRE_HEAD_SIZE;
    for (int i = 0; i < WIRE_REGIONS; i++) {
        size_t bytes = plan[i].share ? file / 64 * plan[i].share : MOMENTS * plan[i].entry_size;
        size_t capacity = bytes / plan[i].entry_size;
        regions[i].offset = offset;
        regions[i].entry_size = plan[i].entry_size;
        regions[i].capacity = capacity < UINT32_MAX / 2 ? (uint32_t)capacity : UINT32_MAX / 2;
        regions[i].used = regions[i].refused = 0;
        offset = round_to_page(offset + (size_t)regions[i].capacity * plan[i].entry_size);
    }
    return offset;
}

/* Where a recording is to be; no name: in memory alone. */
struct new_file {
    int file; /* -1: memory without a name */
    char name[4096 + 16];
};

/* "%p" becomes the pid; a name that is taken (by the program that this one replaced by exec, say) gets a number. */
static int open_new(const char *path, struct new_file *out) {
    char name[4096];
    const char *mark = strstr(path, "%p");
    int length = mark ? snprintf(name, sizeof name, "%.*s%d%s", (int)(mark - path), path, getpid(), mark + 2)
                      : snprintf(name, sizeof name, "%s", path);
    if (length < 0 || (size_t)length >= sizeof name)
        return ENAMETOOLONG;
    for (int number = 1; number < NAMES; number++) {
        snprintf(out->name, sizeof out->name, number > 1 ? "%s-%d" : "%s", name, number);
        out->file = open(out->name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (out->file >= 0 || errno != EEXIST)
            return out->file >= 0 ? 0 : errno;
    }
    return EEXIST;
}

/* The mapping stays; the program may close all files, and the number would be another file's then. */
static void close_new(struct new_file *new, bool keep) {
    if (new->file < 0)
        return;
    if (!keep && *new->name)
        unlink(new->name);
    close(new->file);
}

/* Beyond this a file that grows ends the process by SIGXFSZ. */
static bool file_may_have(size_t size) {
    struct rlimit limit;
    return getrlimit(RLIMIT_FSIZE, &limit) || limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur >= size;
}

/* Whether pages can be made present one by one later; else the whole file gets its disk space now. */
bool agent_populate(void *begin, size_t length, int *error_out) {
    int known = errno;
    bool fine = madvise(begin, length, MADV_POPULATE_WRITE) == 0;
    *error_out = fine ? 0 : errno;
    errno = known;
    return fine;
}

static int back_all(int file, size_t size, struct wire_head *head) {
    int error = file >= 0 ? posix_fallocate(file, 0, (off_t)size) : 0;
    for (int i = 0; i < WIRE_REGIONS && !error; i++)
        agent.backed[i] = (size_t)head->regions[i].entry_size * head->regions[i].capacity;
    return error;
}

/* Maps `file` (-1: memory without a name) at `at` (NULL: anywhere) with the head and `size` bytes. */
static int map_file(int file, size_t size, void *at, struct wire_head **out) {
    int flags = MAP_SHARED | (at ? MAP_FIXED : 0) | (file < 0 ? MAP_ANONYMOUS : 0), error;
    if (file >= 0 && ftruncate(file, (off_t)size))
        return errno;
    /* The head's disk space must be there before the file takes the place of a mapping that works. */
    if (file >= 0 && (error = posix_fallocate(file, 0, WIRE_HEAD_SIZE)))
        return error;
    struct wire_head *head = mmap(at, size, PROT_READ | PROT_WRITE, flags, file, 0);
    if (head == MAP_FAILED)
        return errno;
    *out = head;
    return 0;
}

static uint64_t nanoseconds(clockid_t clock) {
    struct timespec time;
    clock_gettime(clock, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static void read_command(char *out, size_t capacity) {
    int file = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    ssize_t length = file >= 0 ? read(file, out, capacity - 1) : 0;
    if (file >= 0)
        close(file);
    for (ssize_t i = 0; i + 1 < length; i++)
        out[i] = out[i] ? out[i] : ' ';
    out[length > 0 ? length : 0] = 0;
}

static void write_head(struct wire_head *head, size_t size, const struct wire_region *regions) {
    memset(head, 0, sizeof *head);
    head->version = WIRE_VERSION;
    head->head_size = WIRE_HEAD_SIZE;
    head->file_size = size;
    head->pid = getpid();
    head->parent = getppid();
    head->started = nanoseconds(CLOCK_REALTIME);
    head->clock = nanoseconds(CLOCK_MONOTONIC);
    memcpy(head->regions, regions, sizeof head->regions);
    read_command(head->command, sizeof head->command);
    memset(agent.backed, 0, sizeof agent.backed);
    /* Last: a file without it is not yet a recording. */
    __atomic_thread_fence(__ATOMIC_RELEASE);
    memcpy(head->magic, WIRE_MAGIC, sizeof head->magic);
}

static int open_file(const char *path, size_t size, struct new_file *out) {
    out->file = -1;
    out->name[0] = 0;
    if (!file_may_have(size))
        return path ? EFBIG : 0;
    if (path)
        return open_new(path, out);
    out->file = memfd_create(WIRE_NAME, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (out->file >= 0) /* nobody can take pages from under the program; that function is fcntl64 in glibc alone */
        syscall(SYS_fcntl, out->file, F_ADD_SEALS, F_SEAL_SHRINK);
    return 0;
}

static int back_first(int file, struct wire_head *head, size_t size) {
    int error;
    agent_populate(head, PAGE, &error);
    return error == EINVAL ? back_all(file, size, head) : error;
}

static int open_own(const char *path, size_t size, const struct wire_region *regions, struct wire_head **out) {
    struct new_file new;
    int error = open_file(path, size, &new);
    if (!error && !(error = map_file(new.file, size, NULL, out))) {
        write_head(*out, size, regions);
        error = back_first(new.file, *out, size);
        if (error)
            munmap(*out, size);
    }
    close_new(&new, !error);
    return error;
}

static int open_spare(size_t size, const struct wire_region *regions, struct wire_head **out) {
    int error = agent_spare_take(size, out);
    if (error)
        return error;
    if (!agent_populate(*out, WIRE_HEAD_SIZE, &error)) {
        munmap(*out, size);
        return error;
    }
    write_head(*out, size, regions);
    return 0;
}

int agent_recording_open(const char *path, size_t memory, struct wire_head **out) {
    struct wire_region regions[WIRE_REGIONS];
    size_t size = plan_regions(memory, regions);
    int error = open_own(path, size, regions, out);
    if (error && path && open_spare(size, regions, out) == 0)
        error = 0;
    if (!error && path)
        agent_guard(*out);
    return error;
}

/* Makes the bytes up to `end` of a region present. */
static bool back_to(struct wire_head *head, enum wire_region_name name, uint64_t end) {
    const struct wire_region *region = &head->regions[name];
    uint64_t whole = (uint64_t)region->capacity * region->entry_size, from = agent.backed[name] & ~(uint64_t)(PAGE - 1);
    uint64_t to = end + BACKED_STEP < whole ? end + BACKED_STEP : whole;
    int error;
    if (!agent_populate((char *)head + region->offset + from, round_to_page(to - from), &error))
        return false;
    agent.backed[name] = to;
    return true;
}

uint32_t agent_region_take(struct wire_head *head, enum wire_region_name name, uint32_t entries) {
    struct wire_region *region = &head->regions[name];
    uint64_t end = ((uint64_t)region->used + entries) * region->entry_size;
    if (region->used + (uint64_t)entries > region->capacity ||
        (end > agent.backed[name] && !back_to(head, name, end))) {
        region->refused++;
        return UINT32_MAX;
    }
    return region->used;
}

void agent_region_publish(struct wire_head *head, enum wire_region_name name, uint32_t entries) {
    __atomic_store_n(&head->regions[name].used, head->regions[name].used + entries, __ATOMIC_RELEASE);
}

/* The tables that only grow are the parent's as they were at the fork; what the parent adds is not ours. */
static int write_regions(int file, const struct wire_head *parent, const struct wire_head *head) {
    for (int i = 0; i < WIRE_REGIONS; i++) {
        const struct wire_region *region = &head->regions[i];
        const char *from = (const char *)parent + region->offset;
        size_t length = (size_t)region->used * region->entry_size;
        for (size_t done = 0; done < length;) {
            ssize_t wrote = pwrite(file, from + done, length - done, (off_t)(region->offset + done));
            if (wrote <= 0)
                return wrote < 0 ? errno : ENOSPC;
            done += (size_t)wrote;
        }
    }
    return 0;
}

static int write_copy(int file, struct wire_head *head, size_t size) {
    struct wire_head *parent = agent_recording;
    int error = ftruncate(file, (off_t)size) ? errno : 0;
    if (!error)
        error = write_regions(file, parent, head);
    if (!error && pwrite(file, head, sizeof *head, 0) != sizeof *head)
        error = ENOSPC;
    return error ? error : map_file(file, size, parent, &parent);
}

/* A kernel that knows no such call has no places to spare either: then it is memory without a name. */
static int make_present(void *begin, size_t length) {
    int error = 0;
    return !length || agent_populate(begin, length, &error) || error == EINVAL ? 0 : error;
}

/* The same without a file: into `own`, which then takes the place of the parent's. */
static int move_in(struct wire_head *own, const struct wire_head *head) {
    int error = make_present(own, WIRE_HEAD_SIZE);
    for (int i = 0; i < WIRE_REGIONS && !error; i++) {
        const struct wire_region *region = &head->regions[i];
        size_t length = (size_t)region->used * region->entry_size;
        if (!(error = make_present((char *)own + region->offset, round_to_page(length))))
            memcpy((char *)own + region->offset, (char *)agent_recording + region->offset, length);
    }
    if (!error)
        *own = *head;
    /* The kernel is asked directly: the hooks have the name of this function. */
    if (!error && (void *)syscall(SYS_mremap, own, head->file_size, head->file_size, MREMAP_MAYMOVE | MREMAP_FIXED,
                                  agent_recording) == MAP_FAILED)
        error = errno;
    if (error)
        syscall(SYS_munmap, own, head->file_size);
    return error;
}

/* What was written has its disk space; the rest is asked for when it is needed. */
static int settle(int file, struct wire_head *head) {
    head->pid = getpid();
    head->parent = getppid();
    *agent_recording = *head;
    for (int i = 0; i < WIRE_REGIONS; i++)
        agent.backed[i] = (uint64_t)head->regions[i].used * head->regions[i].entry_size;
    return back_first(file, agent_recording, head->file_size);
}

static int adopt_file(const char *path, struct wire_head *head) {
    struct new_file new;
    int error = open_file(path, head->file_size, &new);
    if (!error && new.file < 0)
        error = ENOENT;
    if (!error)
        error = write_copy(new.file, head, head->file_size);
    if (!error)
        error = settle(new.file, head);
    close_new(&new, !error);
    return error;
}

static int adopt_memory(const char *path, struct wire_head *head) {
    struct wire_head *own;
    int error = path ? agent_spare_take(head->file_size, &own) : map_file(-1, head->file_size, NULL, &own);
    if (!error)
        error = move_in(own, head);
    return error ? error : settle(-1, head);
}

int agent_recording_adopt(void) {
    struct wire_head head = *agent_recording;
    head.unrecorded = 0;
    for (int i = 0; i < WIRE_REGIONS; i++)
        head.regions[i].used = agent.used_at_fork[i];
    const char *path = agent.options.file[0] ? agent.options.file : NULL;
    if (agent_recording_is_lost())
        return ENODATA;
    if (adopt_file(path, &head) && adopt_memory(path, &head)) {
        __atomic_fetch_add(&agent_recording->unrecorded, 1, __ATOMIC_RELAXED);
        return ENOSPC;
    }
    if (path)
        agent_guard(agent_recording);
    return 0;
}
