/* Pictures: forked, frozen copies of a target. Belongs to the thread that traces, like stop.h. */
#ifndef CAULK_MEMORY_PICTURE_H
#define CAULK_MEMORY_PICTURE_H

#include "memory/inject.h"
#include "memory/stop.h"

struct picture {
    pid_t pid;          /* by our number */
    pid_t target_pid;   /* by the number that the target knows */
};

enum picture_outcome {
    PICTURE_TAKEN,
    PICTURE_REFUSED, /* the target cannot fork or make calls for us; it is as it was */
    PICTURE_LOST,    /* the target ended or its thread did not come back in time */
};

/* Makes the stopped target fork one. Its threads stay stopped. */
enum picture_outcome picture_take(const struct stop *stop, const struct injector *injector, struct picture *out);

/* Ends the picture and makes the target collect it, and any that an earlier visitor left behind because it
 * was killed. Returns the seconds for which a thread of the target stood still. */
double picture_discard(int pid, const struct injector *injector, const struct picture *picture);

#endif
