/* Queues that are filled faster than they are emptied. */
#include "diagnosis/rules.h"

static bool matches(const struct candidate *candidate, struct arena *arena, struct rule_match *match) {
    (void)arena, (void)match;
    /* The container, the queue's namespace, the queue. */
    return candidate->source == CANDIDATE_HELD &&
           (candidate_things_above(candidate, 3) & THING_BIT(THING_QUEUE)) != 0;
}

const struct rule rule_queue = {
    KIND_UNCONSUMED_QUEUE,
    matches,
    "a queue is filled faster than it is emptied: its consumer is missing, blocked or too slow",
    "check that a consumer runs and keeps up; give the queue a limit (maxsize=) so that producers wait "
    "instead",
};
