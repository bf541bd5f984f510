/* Opens a running process for reading, or says in one line why not. */
#include "memory/live.h"

#include "memory/maps.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

struct live {
    struct memory memory; /* first: a live process is a memory */
    struct arena arena;
};

static bool read_by(int thread, remote_address address, size_t size, void *out) {
    struct iovec local = {out, size};
    struct iovec remote = {(void *)address, size};
    return process_vm_readv(thread, &local, 1, &remote, 1, 0) == (ssize_t)size;
}

/* A thread that has ended has no memory; others of its process still have it. */
static bool live_read(const struct memory *memory, remote_address address, size_t size, void *out) {
    if (read_by(memory->pid, address, size, out))
        return true;
    int thread = errno == ESRCH ? proc_live_thread(memory->pid) : memory->pid;
    return thread != memory->pid && read_by(thread, address, size, out);
}

static void live_close(struct memory *memory) {
    struct live *live = (struct live *)memory;
    arena_deinit(&live->arena);
    free(live);
}

static const struct memory_operations live_operations = {live_read, live_close};

static struct error *refuse_tracer(int pid, long tracer) {
    char path[64], name[64] = "";
    snprintf(path, sizeof path, "/proc/%ld/comm", tracer);
    if (proc_read(path, sizeof name, name) > 0)
        name[strcspn(name, "\n")] = '\0';
    return error_create(STATUS_BUSY, "process %d is traced already, by %s (process %ld): end that first", pid,
                        *name ? name : "a debugger", tracer);
}

static bool user_differs(int pid) {
    char path[64];
    struct stat status;
    snprintf(path, sizeof path, "/proc/%d", pid);
    return stat(path, &status) == 0 && status.st_uid != geteuid();
}

/* Root without the right to trace is root in a container. */
static struct error *refuse_permission(int pid) {
    char text[16];
    long scope = -1;
    if (proc_read("/proc/sys/kernel/yama/ptrace_scope", sizeof text, text) > 0)
        scope = strtol(text, NULL, 10);
    if (scope == 3)
        return error_create(STATUS_PERMISSION,
                            "not permitted to read process %d: kernel.yama.ptrace_scope is 3, which forbids it "
                            "to everybody until a reboot with another value", pid);
    if (geteuid() == 0)
        return error_create(STATUS_PERMISSION,
                            "not permitted to read process %d though root: the capability CAP_SYS_PTRACE is missing; "
                            "start the container with --cap-add=SYS_PTRACE", pid);
    if (user_differs(pid))
        return error_create(STATUS_PERMISSION,
                            "not permitted to read process %d: it belongs to another user; use sudo", pid);
    if (scope == 1)
        return error_create(STATUS_PERMISSION,
                            "not permitted to read process %d: kernel.yama.ptrace_scope is 1; use sudo, or "
                            "sudo sysctl kernel.yama.ptrace_scope=0", pid);
    if (scope == 2)
        return error_create(STATUS_PERMISSION,
                            "not permitted to read process %d: kernel.yama.ptrace_scope is 2; use sudo", pid);
    return error_create(STATUS_PERMISSION,
                        "not permitted to read process %d: it has privileges that you have not, or asked the kernel "
                        "to be unreadable; use sudo, in a container --cap-add=SYS_PTRACE", pid);
}

/* A process that ends gives its memory back before it is a zombie; the kernel's threads never had any. */
static struct error *refuse_without_memory(int pid, long parent) {
    enum { KTHREADD = 2 };
    if (pid == KTHREADD || parent == KTHREADD)
        return error_create(STATUS_NOT_PYTHON, "process %d is a thread of the kernel: there is no Python in it", pid);
    return error_create(STATUS_NO_TARGET, "process %d ended while it was looked at", pid);
}

static struct error *check_status(int pid) {
    char path[64], status[8192];
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    if (pid <= 0 || proc_read(path, sizeof status, status) <= 0)
        return error_create(STATUS_NO_TARGET, "there is no process %d", pid);
    long group = proc_status_field(status, "Tgid:", pid);
    if (group == getpid())
        return error_create(STATUS_USAGE, "process %d is caulk itself: give the number of another process", pid);
    if (group != pid)
        return error_create(STATUS_NO_TARGET, "%d is a thread of process %ld: give that number", pid, group);
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    char state = proc_state(path);
    int reader = proc_live_thread(pid);
    if ((state == 'Z' || state == 'X') && reader == pid)
        return error_create(STATUS_NO_TARGET, "process %d is a zombie: it has ended and its parent has not noticed",
                            pid);
    snprintf(path, sizeof path, "/proc/%d/status", reader);
    if (proc_read(path, sizeof status, status) <= 0)
        return error_create(STATUS_NO_TARGET, "process %d ended while it was looked at", pid);
    if (proc_status_field(status, "VmSize:", -1) < 0)
        return refuse_without_memory(pid, proc_status_field(status, "PPid:", 0));
    long tracer = proc_status_field(status, "TracerPid:", 0);
    return tracer ? refuse_tracer(pid, tracer) : NULL;
}

/* Opening mem asks the kernel for the same right as tracing. */
static struct error *check_permission(int pid) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/mem", proc_live_thread(pid));
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0 && (errno == EACCES || errno == EPERM))
        return refuse_permission(pid);
    if (file < 0)
        return error_from_errno(STATUS_NO_TARGET, "opening the memory of process %d", pid);
    close(file);
    return NULL;
}

static struct error *check_word_size(int pid) {
    char path[64];
    unsigned char head[EI_NIDENT];
    snprintf(path, sizeof path, "/proc/%d/exe", proc_live_thread(pid));
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return NULL;
    ssize_t length = pread(file, head, sizeof head, 0);
    close(file);
    if (length == sizeof head && memcmp(head, ELFMAG, SELFMAG) == 0 && head[EI_CLASS] == ELFCLASS32)
        return error_create(STATUS_UNSUPPORTED, "process %d is a 32-bit program: caulk reads 64-bit ones only", pid);
    return NULL;
}

struct error *live_open(int pid, struct memory **out) {
    *out = NULL;
    TRY(check_status(pid));
    TRY(check_permission(pid));
    TRY(check_word_size(pid));
    struct live *live = calloc(1, sizeof *live);
    if (!live)
        return error_create(STATUS_INTERNAL, "opening process %d: out of memory", pid);
    struct maps maps;
    struct error *error = maps_read(pid, &live->arena, &maps);
    live->memory = (struct memory){&live_operations, maps.segments, maps.count, pid};
    if (error)
        live_close(&live->memory);
    else
        *out = &live->memory;
    return error;
}
