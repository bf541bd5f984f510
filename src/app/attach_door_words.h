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

#endif
