/* When to take the next snapshot, and when it is enough. */
#include "app/watch.h"

#include "app/children.h"

#include <math.h>

void watch_open(struct watch *watch, struct target *targets, size_t count, double seconds, size_t snapshots) {
    *watch = (struct watch){
        .targets = targets,
        .target_count = count,
        .live = count == 1 && targets[0].pid,
        .seconds = seconds,
        .started = progress_now(),
    };
    watch->asked = watch->live ? snapshots : count;
    watch->wanted = watch->asked;
    interrupt_open(&watch->interrupt);
    progress_open(&watch->progress);
}

void watch_close(struct watch *watch) {
    progress_close(&watch->progress);
    interrupt_close(&watch->interrupt);
}

struct error *watch_take(struct watch *watch, struct heap **out) {
    watch->last_started = progress_now();
    if (watch->taken == 0)
        watch->started = watch->last_started;
    struct target *target = &watch->targets[watch->live ? 0 : watch->taken];
    progress_show(&watch->progress, "caulk: snapshot %zu of %zu", watch->taken + 1, watch->wanted);
    TRY(target_open(target, out));
    if (watch->live)
        children_look(watch);
    watch->taken++;
    return NULL;
}

bool watch_is_last(const struct watch *watch) {
    return watch->taken >= watch->wanted;
}

/* Plans the rest of the window anew each time: a slow snapshot leaves time for fewer, a fast one for more again. */
static double plan_next(struct watch *watch, double now) {
    double rest = watch->started + watch->seconds - watch->last_started;
    double cost = now - watch->last_started;
    size_t left = watch->asked - watch->taken;
    if (watch->least_cost <= 0 || cost < watch->least_cost)
        watch->least_cost = cost;
    double affordable = watch->least_cost > 0 ? floor(rest / watch->least_cost) : (double)left;
    size_t enough = watch->asked < WATCH_LEAST_CERTAIN ? watch->asked : WATCH_LEAST_CERTAIN;
    size_t least = watch->taken < enough ? enough - watch->taken : rest > watch->seconds / (double)watch->asked / 2;
    if (affordable < (double)left)
        left = affordable > (double)least ? (size_t)affordable : least;
    watch->wanted = watch->taken + left;
    return left ? watch->last_started + rest / (double)left : now;
}

bool watch_wait(struct watch *watch) {
    if (watch_is_last(watch))
        return false;
    if (!watch->live) {
        watch->interrupted = interrupt_wait(&watch->interrupt, 0);
        return !watch->interrupted;
    }
    double due = plan_next(watch, progress_now());
    if (watch_is_last(watch))
        return false;
    do {
        double now = progress_now();
        double step = due - now;
        progress_show(&watch->progress, "caulk: %zu of %zu snapshots, %.0f s to go (Ctrl-C: the verdict so far)",
                      watch->taken, watch->wanted, watch->started + watch->seconds - now);
        watch->interrupted = interrupt_wait(&watch->interrupt, step < 0 ? 0 : step > 1 ? 1 : step);
    } while (!watch->interrupted && progress_now() < due);
    return !watch->interrupted;
}
