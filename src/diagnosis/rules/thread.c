/* Threads that do not end, or are remembered after they did. */
#include "diagnosis/rules.h"

static bool matches(const struct candidate *candidate, struct arena *arena, struct rule_match *match) {
    (void)arena;
    const struct growth_makeup *makeup = &candidate->makeup;
    if (candidate->source != CANDIDATE_HELD || makeup->item_objects[THING_THREAD] <= 0 ||
        makeup->item_objects[THING_THREAD] * 2 < makeup->new_items)
        return false;
    bool of_interpreter = candidate->holder == NODE_NONE || candidate_in_module(candidate, "threading");
    if (!of_interpreter) {
        match->cause = "thread objects are kept, with what belongs to them, after the threads ended";
        match->advice =
            "keep per-thread data in threading.local(), or remove the entry when the thread ends; do not "
            "key a lasting dict by threads";
    }
    return true;
}

const struct rule rule_thread = {
    KIND_THREAD_RETENTION,
    matches,
    "ever more threads run: each was started and waits for something that does not come, with its arguments "
    "and "
    "local variables",
    "give each wait a time limit and each thread a way to stop; use a pool of fixed size "
    "(ThreadPoolExecutor)",
};
