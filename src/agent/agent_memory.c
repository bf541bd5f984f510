/* Memory that may not be there: the kernel reads it, so that an address that leads nowhere is no signal. */
#include "agent/agent_stack.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { PAGE_BYTES = 4096, SIGNAL_SET = 8, NO_WAY = -1 };

/* Kernel: kernel/signal.c, rt_sigprocmask: the set is read before it is seen that there is no such way to change the mask. */
static bool word_is_there(uintptr_t address) {
    return syscall(SYS_rt_sigprocmask, NO_WAY, address, NULL, SIGNAL_SET) == 0 || errno != EFAULT;
}

/* Where a filter of system calls refuses to read (Docker's did, before 2020). */
static size_t read_pages(uintptr_t from, char *to, size_t length) {
    size_t done = 0;
    while (done < length) {
        uintptr_t at = from + done, page_end = (at | (PAGE_BYTES - 1)) + 1;
        size_t step = page_end - at < length - done ? page_end - at : length - done;
        if (!word_is_there(page_end - SIGNAL_SET))
            break;
        memcpy(to + done, (const void *)at, step);
        done += step;
    }
    return done;
}

size_t agent_memory_read_some(uintptr_t from, void *to, size_t length) {
    int known = errno;
    struct iovec local = {to, length}, remote = {(void *)from, length};
    ssize_t got = process_vm_readv(getpid(), &local, 1, &remote, 1, 0);
    if (got < 0 && errno != EFAULT)
        got = (ssize_t)read_pages(from, to, length);
    errno = known;
    return got > 0 ? (size_t)got : 0;
}

bool agent_memory_read(uintptr_t from, void *to, size_t length) {
    return agent_memory_read_some(from, to, length) == length;
}
