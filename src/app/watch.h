/* When to take the next snapshot, and when it is enough. */
#ifndef CAULK_APP_WATCH_H
#define CAULK_APP_WATCH_H

#include "app/interrupt.h"
#include "app/progress.h"
#include "app/target.h"
#include "base/vector.h"

/* Snapshots that a verdict about growth needs, and those that one of some certainty needs (series.h): so many are taken
 * even if the time that was asked for is over. */
enum { WATCH_LEAST = 3, WATCH_LEAST_CERTAIN = 4 };

enum { CHILD_LOOKS_MOST = 1000 };

/* A process below the one that is watched. */
struct child {
    int pid;
    uint64_t start_time;
    size_t count;
    double time[CHILD_LOOKS_MOST], memory[CHILD_LOOKS_MOST]; /* bytes of its own that are resident */
};

struct watch {
    struct target *targets; /* one live process, or as many as there are snapshots */
    size_t target_count;
    bool live;              /* one process, looked at again and again */
    double seconds;         /* the window that was asked for */
    size_t asked;           /* snapshots that were asked for */
    size_t wanted, taken;   /* wanted: those there is time for */
    double started, last_started;
    double least_cost;      /* seconds of the cheapest snapshot so far, 0 none yet */
    bool interrupted;
    bool lines;             /* the sampler is to tell which lines allocate */
    const char *sampler;    /* by these words (agent/agent.h) */
    bool attached;          /* ... and was put into the process for it */
    bool native;            /* ... where it watches native code too by now */
    struct vector children; /* struct child: see children.h */
    struct interrupt interrupt;
    struct progress progress;
};

/* Opens a watch of one live process for `seconds`, or of the given snapshots one after another. */
void watch_open(struct watch *watch, struct target *targets, size_t count, double seconds, size_t snapshots);

/* What is known of its children stays, until children_deinit. */
void watch_close(struct watch *watch);

/* The next snapshot, taken now. */
struct error *watch_take(struct watch *watch, struct heap **out);

/* Whether the snapshot just taken is the last that was planned. */
bool watch_is_last(const struct watch *watch);

/* Waits until the next one is due: spread evenly over what is left of the window, fewer when taking one
 * takes longer than that. False when there is no next one, or somebody has had enough. */
bool watch_wait(struct watch *watch);

#endif
