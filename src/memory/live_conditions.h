/* The conditions under which a picture of a running process is taken, from /proc alone: nothing is stopped.
 *
 * A field that cannot be read has the value that its comment names; nothing here fails. */
#ifndef CAULK_MEMORY_LIVE_CONDITIONS_H
#define CAULK_MEMORY_LIVE_CONDITIONS_H

#include "memory/memory.h"

#define LIVE_UNLIMITED UINT64_MAX

/* A memory control group that is nearest to its limit, of the process's and those above it. */
struct live_group {
    uint64_t limit, used; /* limit LIVE_UNLIMITED: none is limited, or they cannot be seen; used: without file pages
                             that the kernel gives up at once */
    char path[512];
};

struct live_conditions {
    char state;             /* the letter of /proc/PID/stat, of a thread that lives; 0 if there is no process */
    bool main_thread_ended; /* and others live */
    bool readable;          /* the kernel gives us the right to trace */
    bool own_user;
    int threads, threads_stuck; /* stuck: in state D at this moment */
    int seccomp;            /* 0 none, 1 strict, 2 filter */
    bool shadow_stack, has_instructions; /* whether a thread can be made to call fork for us */
    bool other_processes, other_mounts, other_users; /* namespaces that are not ours */
    int mapped_files;       /* files with code: opened by /proc/PID/map_files */
    int mapped_files_closed; /* the same, where that does not work */
    int deleted_files;      /* files with code that have no name any more */
    char deleted_file[512]; /* one of them */
    uint64_t resident, anonymous, huge, swapped, virtual_size; /* bytes */
    uint64_t address_space_limit;                     /* LIVE_UNLIMITED: none */
    uint64_t processes_limit, processes_of_user;      /* LIVE_UNLIMITED: none, or not for this user */
    uint64_t tasks_limit, tasks_used;                 /* of the control group */
    uint64_t commit_limit, committed;                 /* LIVE_UNLIMITED: the kernel promises more than it has */
    struct live_group group, own_group;               /* the process's and caulk's own */
    uint64_t available;                               /* memory of the machine; 0 unknown */
};

/* What must be known before a picture: quick, also of a large process. has_instructions is left to the caller. */
void live_conditions_read_few(int pid, struct live_conditions *out);

/* Why no picture can be taken of a process, or only at a risk, in words that follow a comma; NULL: it can be forked. */
const char *live_conditions_against_picture(const struct live_conditions *conditions);

/* All of them. `memory` is the process opened by live_open, or NULL where that failed. */
void live_conditions_read(int pid, const struct memory *memory, struct live_conditions *out);

#endif
