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
    int known = errno;
    bool is_there = syscall(SYS_rt_sigprocmask, NO_WAY, address, NULL, SIGNAL_SET) == 0 || errno != EFAULT;
    errno = known;
    return is_there;
}

/* How many of the bytes are there now. */
static size_t count_there(uintptr_t from, size_t length) {
    uintptr_t at = from, end;
    if (__builtin_add_overflow(from, length, &end))
        return 0;
    for (uintptr_t next; at < end; at = next) {
        next = (at | (PAGE_BYTES - 1)) + 1;
        if (!word_is_there(next - SIGNAL_SET))
            return at - from;
    }
    return length;
}

bool agent_memory_is_there(const void *from, size_t length) {
    return count_there((uintptr_t)from, length) == length;
}

size_t agent_memory_read_some(uintptr_t from, void *to, size_t length) {
    int known = errno;
    struct iovec local = {to, length}, remote = {(void *)from, length};
    ssize_t got = process_vm_readv(getpid(), &local, 1, &remote, 1, 0);
    if (got < 0 && errno != EFAULT) { /* a filter of system calls refuses that, as Docker's did for long */
        got = (ssize_t)count_there(from, length);
        memcpy(to, (const void *)from, (size_t)got);
    }
    errno = known;
    return got > 0 ? (size_t)got : 0;
}

bool agent_memory_read(uintptr_t from, void *to, size_t length) {
    return agent_memory_read_some(from, to, length) == length;
}
