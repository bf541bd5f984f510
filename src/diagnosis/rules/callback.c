/* Callbacks, listeners, handlers and finalizers that are registered and never removed. */
#include "diagnosis/rules.h"

static bool explain_registry(const struct candidate *candidate, struct rule_match *match) {
    struct span name = candidate_name(candidate);
    if (candidate->step_count && candidate->steps[0].kind == EDGE_INTERPRETER && name.length >= 6 &&
        memcmp(name.data, "atexit", 6) == 0) {
        match->cause =
            "functions are registered with atexit and never unregistered: each keeps its object until the "
            "process ends";
        match->advice =
            "register one function per process, not one per object; or atexit.unregister() when the object "
            "is closed, or weakref.finalize() with a plain function";
        return true;
    }
    if (candidate->makeup.item_objects[THING_FINALIZER] > 0 &&
        candidate_share_by_items(candidate, THING_FINALIZER) >= 0.5) {
        match->cause =
            "weakref.finalize keeps the callback and its arguments; where these refer to the object itself "
            "(a bound method does), the object can never die";
        match->advice =
            "pass weakref.finalize a plain function and only what it needs, never self or a method of it";
        return true;
    }
    if (candidate_share_by_items(candidate, THING_HANDLER) >= 0.5) {
        match->cause =
            "a logger gets ever more handlers or filters: one is added each time and none is removed";
        match->advice =
            "add handlers once, at start-up or under `if not logger.handlers`; removeHandler() and close() "
            "what belongs to one object";
        return true;
    }
    return false;
}

static bool matches(const struct candidate *candidate, struct arena *arena, struct rule_match *match) {
    (void)arena;
    if (candidate->source != CANDIDATE_HELD)
        return false;
    if (explain_registry(candidate, match))
        return true;
    if (candidate_share_by_items(candidate, THING_WEAKREF) >= 0.5) {
        match->cause = "weak references pile up: their objects are gone, the references stay";
        match->advice = "remove the reference when its object dies (weakref.ref(object, callback)), or use "
                        "weakref.WeakSet or WeakValueDictionary, which do so";
        return true;
    }
    return candidate_share_by_items(candidate, THING_METHOD) >= 0.5 ||
           candidate_share_by_items(candidate, THING_FUNCTION) >= 0.5;
}

const struct rule rule_callback = {
    KIND_REGISTERED_CALLBACK,
    matches,
    "callbacks are registered and never removed: a bound method keeps its whole object alive",
    "unregister the callback when its owner is closed, or register it weakly (weakref.WeakMethod)",
};
