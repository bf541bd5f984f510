/* What the seccomp filters of a thread would say to system calls: their programs are read and run here, so that no
 * call is made to find out. */
#ifndef CAULK_MEMORY_SECCOMP_FILTER_H
#define CAULK_MEMORY_SECCOMP_FILTER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct seccomp_call {
    long number;
    uint64_t arguments[6];
};

enum seccomp_answer {
    SECCOMP_ANSWERS_CALL,  /* every one is made, or fails with an error number as any call may */
    SECCOMP_ANSWERS_HARM,  /* one would end the process, or be handed to somebody else */
    SECCOMP_NO_ANSWER,     /* the filters cannot be read: that takes root outside of the container, without a filter */
};

/* The thread stands still, traced by the calling thread. */
enum seccomp_answer seccomp_filter_ask(pid_t thread, const struct seccomp_call *calls, size_t count);

#endif
