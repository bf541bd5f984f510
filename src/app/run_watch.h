/* Snapshots of the processes of a program while it runs, and a verdict on each that was seen long enough. */
#ifndef CAULK_APP_RUN_WATCH_H
#define CAULK_APP_RUN_WATCH_H

#include "app/pipeline.h"
#include "base/vector.h"

enum { RUN_PROCESSES_MOST = 32, RUN_OBSERVATIONS_MOST = 16 };

struct run_process {
    int pid;
    bool over;              /* it ended or cannot be looked at: `trouble` says why */
    struct target target;
    struct history history; /* at most RUN_OBSERVATIONS_MOST, thinned out when full */
    double every, due;      /* seconds between looks, and when the next one is due */
    double began;
    size_t looks;
    struct arena arena;     /* of the verdict */
    struct verdict verdict;
    bool has_verdict;
    char trouble[512];
};

struct run_watch {
    const char *folder;   /* where each process has its recording, named by its pid */
    double every;         /* seconds; 0: no snapshots */
    double rest_until;    /* the next look at any process; each takes its time off caulk's share of a processor */
    struct vector processes; /* struct run_process * */
};

void run_watch_open(struct run_watch *watch, const char *folder, double every);
void run_watch_close(struct run_watch *watch);

/* Takes the snapshots that are due, all of them if `now_all`. Returns the seconds until the next one is due. */
double run_watch_step(struct run_watch *watch, bool now_all);

/* What is known of a process; NULL if it was never looked at. */
struct run_process *run_watch_find(const struct run_watch *watch, int pid);

#endif
