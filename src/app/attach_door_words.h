/* The words of a door (memory/door.h) for one attachment, and the other functions of the target that its way takes. */
#ifndef CAULK_APP_ATTACH_DOOR_WORDS_H
#define CAULK_APP_ATTACH_DOOR_WORDS_H

#include "app/attach_work.h"
#include "memory/door.h"

struct attach_door_words {
    struct door door;
    remote_address harmless; /* PyErr_Occurred, which returns 0 where no exception is set */
    remote_address lock;     /* PyThread_acquire_lock_timed; 0 unknown */
};

/* Why there can be none, in words that follow ": "; NULL if all is there. */
const char *attach_door_words(const struct attachment *attachment, struct attach_door_words *out);

/* Why nobody makes the call, for a person: the system call that the main thread waits in. */
void attach_door_describe_wait(const struct attachment *attachment, char *out, size_t capacity);

/* A library in memory is loaded by a name in /proc, which a process without /proc has not. */
bool attach_door_lacks_proc(int pid);

#endif
