/* Whether the seccomp filters of a process let it do what loading the sampler takes. */
#include "app/attach_work.h"
#include "memory/maps.h"
#include "memory/seccomp_filter.h"
#include "memory/visit.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>

enum { THREADS_MOST = 16 };

struct question {
    enum seccomp_answer answer;
};

/* What the stopped thread does, the loader, the sampler at its start. */
static const struct seccomp_call calls[] = {
    {SYS_memfd_create, {0, 1}},
    {SYS_mmap, {0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, 3}},
    {SYS_mmap, {0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, 3}},
    {SYS_mmap, {0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, 3}},
    {SYS_mmap, {0, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, UINT64_MAX}},
    {SYS_mprotect, {0, 4096, PROT_READ}},
    {SYS_mprotect, {0, 4096, PROT_READ | PROT_WRITE}},
    {SYS_munmap, {0, 4096}},
    {SYS_close, {3}},
    {SYS_rt_sigreturn, {0}},
    {SYS_getpid, {0}},
    {SYS_gettid, {0}},
    {SYS_futex, {0}},
    {SYS_openat, {UINT64_MAX - 99, 0, O_RDONLY | O_CLOEXEC}},
    {SYS_openat, {UINT64_MAX - 99, 0, O_RDWR | O_CREAT | O_CLOEXEC}},
    {SYS_read, {3}},
    {SYS_pread64, {3}},
    {SYS_fstat, {3}},
    {SYS_newfstatat, {3}},
    {SYS_lseek, {3}},
    {SYS_ftruncate, {3}},
    {SYS_fallocate, {3}},
    {SYS_getrlimit, {0}},
    {SYS_prlimit64, {0}},
    {SYS_clock_gettime, {0}},
    {SYS_getrandom, {0}},
    {SYS_rt_sigprocmask, {0}},
    {SYS_madvise, {0, 4096}},
    {SYS_process_vm_readv, {0}},
    {SYS_sched_getaffinity, {0}},
};

static void ask(struct visit *visit, void *context) {
    struct question *question = context;
    const struct stop_thread *threads = visit->stop.threads.items;
    char path[64], status[8192];
    int asked = 0;
    question->answer = SECCOMP_ANSWERS_CALL;
    for (size_t i = 0; i < visit->stop.threads.count && question->answer == SECCOMP_ANSWERS_CALL; i++) {
        snprintf(path, sizeof path, "/proc/%d/task/%d/status", visit->pid, threads[i].thread);
        if (threads[i].state != STOP_STANDS || proc_read(path, sizeof status, status) <= 0 ||
            !proc_status_field(status, "Seccomp:", 2) || asked++ == THREADS_MOST)
            continue;
        question->answer = seccomp_filter_ask(threads[i].thread, calls, sizeof calls / sizeof *calls);
    }
}

struct error *attach_ask_filter(struct attachment *attachment) {
    char path[64], status[8192];
    struct question question = {SECCOMP_ANSWERS_CALL};
    struct injector none = {0};
    snprintf(path, sizeof path, "/proc/%d/status", proc_live_thread(attachment->pid));
    if (proc_read(path, sizeof status, status) > 0 && proc_status_field(status, "Seccomp:", 0) == 0)
        return NULL;
    TRY(visit_process(attachment->pid, &none, stop_clock() + 10, ask, &question, &attachment->report->paused_ms));
    if (question.answer == SECCOMP_ANSWERS_HARM)
        return error_create(STATUS_BUSY, "nothing was loaded into process %d: its seccomp filter would end it for the system "
                                         "calls that this takes", attachment->pid);
    if (question.answer == SECCOMP_NO_ANSWER)
        return error_create(STATUS_PERMISSION, "nothing was loaded into process %d: it runs under seccomp, and only root outside "
                                               "of its container may see what the filter forbids", attachment->pid);
    return NULL;
}
