/* Small objects that keep a large one's memory. */
#include "diagnosis/rules.h"

static bool matches(const struct candidate *candidate, struct arena *arena, struct rule_match *match) {
    (void)arena, (void)match;
    if (candidate->source != CANDIDATE_HELD || candidate_share_by_items(candidate, THING_VIEW) < 0.5)
        return false;
    return comparison_share(candidate->makeup.below[THING_VIEW], candidate->makeup.bytes) >= 0.5;
}

const struct rule rule_buffer = {
    KIND_PINNED_BUFFER,
    matches,
    "small views are kept, and each keeps the whole object that it looks into",
    "keep a copy of the part instead: bytes(view), array.copy(), match.group()",
};
