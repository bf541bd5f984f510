/* Tasks, futures, timers and contexts of asyncio and concurrent.futures that stay. */
#include "diagnosis/rules.h"

static bool is_context(const struct candidate *candidate) {
    return candidate_share_of(candidate, THING_CONTEXT) >= 0.5 ||
           (candidate_things_above(candidate, 2) & THING_BIT(THING_CONTEXT)) != 0;
}

static void explain_context(struct rule_match *match) {
    match->cause =
        "a context (contextvars) keeps a value for ever more context variables: each ContextVar that was "
        "set stays in it with its value";
    match->advice = "create ContextVars once at module level, never per request or object, and reset them "
                    "(var.reset(token)) when the work is done";
}

static bool matches(const struct candidate *candidate, struct arena *arena, struct rule_match *match) {
    (void)arena;
    if (candidate->source != CANDIDATE_HELD)
        return false;
    if (candidate_share_by_items(candidate, THING_TASK) >= 0.5) {
        if (candidate_is_named(candidate, "_scheduled")) {
            match->cause =
                "timers of the event loop wait for a time that is far away and keep their callback and its "
                "arguments until then";
            match->advice = "keep the handle that call_later() returns and cancel() it when the work is done";
        }
        return true;
    }
    if (is_context(candidate)) {
        explain_context(match);
        return true;
    }
    return false;
}

const struct rule rule_task = {
    KIND_PENDING_TASK,
    matches,
    "tasks or futures stay: they never finish, or are kept after they did, with their coroutine's variables "
    "and result",
    "cancel what is not awaited any more (asyncio.wait() does not cancel the losers; TaskGroup and timeout() "
    "do) and "
    "drop finished tasks: task.add_done_callback(tasks.discard)",
};
