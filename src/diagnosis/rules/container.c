/* The widest rule: a container that only grows. */
#include "diagnosis/rules.h"

static void explain_dict(const struct candidate *candidate, struct rule_match *match) {
    const struct graph_type *above = NULL;
    if (candidate->step_count > 1)
        above = graph_type_of(candidate->graph, candidate->steps[candidate->step_count - 2].node);
    if (above && (span_is(above->name, "WeakKeyDictionary") || span_is(above->name, "WeakValueDictionary"))) {
        match->cause =
            "entries of a weak dictionary stay: their values refer, directly or not, to their own keys";
        match->advice = "let the value refer to its key weakly (weakref.ref), or remove the entry yourself";
        return;
    }
    match->cause = "a dict that only grows: keys are added, none is removed";
    match->advice =
        "remove the entry when its work is done (pop, in a finally clause), or give the dict a bound or an "
        "expiry (cachetools.TTLCache); look up with get() where a defaultdict would add";
}

static bool matches(const struct candidate *candidate, struct arena *arena, struct rule_match *match) {
    (void)arena;
    if (candidate->source != CANDIDATE_HELD)
        return false;
    const struct graph_type *holder = candidate_holder_type(candidate);
    if (!holder)
        return true;
    if (holder->role == ROLE_DICT) {
        explain_dict(candidate, match);
    } else if (span_is(holder->name, "list") || span_is(holder->name, "deque")) {
        match->cause = "a sequence that only grows: items are appended, none is removed";
        match->advice = "remove items when they are done with, or keep the latest only: "
                        "collections.deque(maxlen=...)";
    } else if (span_is(holder->name, "set")) {
        match->cause = "a set that only grows: members are added, none is removed";
        match->advice = "discard() members when they are done with, or use weakref.WeakSet";
    }
    return true;
}

const struct rule rule_container = {
    KIND_GROWING_CONTAINER,
    matches,
    "it keeps ever more objects: they are added, none is removed",
    "remove objects from it when they are done with, or limit how many it keeps",
};
