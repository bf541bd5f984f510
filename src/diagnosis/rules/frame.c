/* Frames that should be gone keep their local variables: exceptions with tracebacks, suspended generators. */
#include "diagnosis/rules.h"

static bool matches(const struct candidate *candidate, struct arena *arena, struct rule_match *match) {
    (void)arena;
    if (candidate->source != CANDIDATE_HELD)
        return false;
    double by_traceback = candidate_share_of(candidate, THING_TRACEBACK);
    double by_frame = candidate_share_of(candidate, THING_FRAME);
    if (by_frame < 0.5)
        return by_traceback >= 0.5 && candidate->makeup.at_or_below[THING_FRAME] > 0;
    if (by_traceback >= 0.5)
        return true;
    bool generators = candidate_share_by_items(candidate, THING_FRAME) >= 0.5;
    match->cause = generators ? "frames or suspended generators are kept, and with them their local variables"
                              : "frames are kept, and with them their local variables";
    match->advice =
        generators
            ? "close() generators that are not read to their end and forget them; keep what you need of a "
              "frame, never the frame (sys._getframe())"
            : "keep what you need of a frame (a name, a module), never the frame itself";
    return true;
}

const struct rule rule_frame = {
    KIND_PINNED_FRAME,
    matches,
    "exceptions are kept, and the traceback of each keeps the local variables of the frames it went through",
    "keep the text instead (traceback.format_exc()), or drop the frames: error.with_traceback(None), "
    "traceback.clear_frames(tb)",
};
