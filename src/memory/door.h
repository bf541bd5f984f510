/* A few instructions for the target, and the words that they work with: they load a library and call a function of
 * it. They are no system call in a stopped thread but an ordinary function `int door(struct door *)`, which the
 * target calls by itself at a place where it calls functions anyway (a pending call of Python). */
#ifndef CAULK_MEMORY_DOOR_H
#define CAULK_MEMORY_DOOR_H

#include "memory/memory.h"

enum door_state {
    DOOR_WAITS,
    DOOR_ENTERED, /* called once; another call does nothing */
    DOOR_DONE,
};

enum { DOOR_NOT_LOADED = -1 }; /* result: `message` says why */

/* The code knows these offsets. Addresses are the target's. */
struct door {
    uint32_t state;         /* enum door_state */
    int32_t result;         /* of the function, or DOOR_NOT_LOADED */
    uint64_t process;       /* the target's own number for itself: a child of a fork in between does nothing */
    uint64_t save_thread;   /* PyEval_SaveThread: the library is loaded without the GIL, so that a thread that */
    uint64_t restore_thread; /* waits for the GIL in the loader cannot be in our way */
    uint64_t open, find, error; /* dlopen, dlsym, dlerror */
    uint64_t entry;         /* of the function; 0: load the library and find it by name */
    uint32_t descriptor;    /* of the library, closed when that was tried */
    uint32_t reserved;
    char path[64], name[64];
    char message[256];
    char options[2048];     /* the argument of the function */
    uint64_t token;         /* of whoever made it: tells the page from another one at its address */
};

/* The instructions; empty on a processor for which nobody wrote them. They may lie anywhere. */
struct door_code {
    const void *bytes;
    size_t size;
};
struct door_code door_code(void);

#endif
