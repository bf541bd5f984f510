/* Functions that keep what their closures captured. */
#include "diagnosis/rules.h"

static bool matches(const struct candidate *candidate, struct arena *arena, struct rule_match *match) {
    (void)arena, (void)match;
    return candidate->source == CANDIDATE_HELD &&
           candidate_share_by_items(candidate, THING_FUNCTION) >= 0.5 &&
           candidate_share_of(candidate, THING_CELL) >= 0.5;
}

const struct rule rule_closure = {
    KIND_CAPTURED_CLOSURE,
    matches,
    "functions are kept, and each closure keeps the variables that it captured",
    "remove the function when it was called or is no longer wanted; capture only what it needs (an id "
    "instead of the "
    "whole object)",
};
