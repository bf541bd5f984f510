/* From a target to a verdict, in order. */
#ifndef CAULK_APP_PIPELINE_H
#define CAULK_APP_PIPELINE_H

#include "app/watch.h"
#include "diagnosis/diagnosis.h"

/* What is kept of all snapshots: an observation each. */
struct history {
    struct arena arena;
    struct observation *observations;
    double *pause_ms;
    double first_taken_at;
    double last_running, last_waiting;
    size_t count;
};

/* One snapshot and what was computed of it; gone before the next one is taken. */
struct stage {
    struct arena arena;
    struct heap *heap;
    struct reach reach;
    struct refcounts refcounts;
    struct paths paths;
    struct dominators dominators;
    bool has_dominators;
    uint32_t *path_node_of; /* node -> path node of the newest observation; NULL before history_add */
    struct hole *holes;     /* path node -> free memory between its objects; NULL before stage_find_holes */
    struct arena recording;
    struct sampling *sampling; /* of the process; NULL if it has no recording, or nobody asked */
};

/* Computes what every command needs of a heap: reach and best paths. Owns `heap` from now on. */
void stage_open(struct stage *stage, struct heap *heap);
void stage_find_dominators(struct stage *stage);
void stage_find_holes(struct stage *stage, const struct history *history);
void stage_close(struct stage *stage);

/* One snapshot for the commands that look at one: opened, with dominators. */
struct error *stage_open_target(struct stage *stage, const struct choices *choices);

/* Folds the stage's heap into one more observation. `capacity` is the most there will be. */
void history_add(struct history *history, struct stage *stage, size_t capacity);
void history_deinit(struct history *history);

/* Leaves every second observation out, but for the first and the last one. */
void history_thin(struct history *history);

/* Steps 6 to 9 over what was seen so far, with the stage of the last snapshot: the verdict lives in `arena`, in place
 * of the one before it. */
void pipeline_conclude(struct stage *stage, const struct history *history, struct arena *arena, struct verdict *out);

/* Watches to the end; the verdict lives in `arena`. */
struct error *pipeline_leaks(struct watch *watch, struct arena *arena, struct verdict *out);

#endif
