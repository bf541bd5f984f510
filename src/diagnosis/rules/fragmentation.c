/* Memory that is free and cannot be given back, because objects lie scattered in it. */
#include "diagnosis/amount.h"
#include "diagnosis/rules.h"

static bool matches(const struct candidate *candidate, struct arena *arena, struct rule_match *match) {
    if (candidate->source != CANDIDATE_HOLES)
        return false;
    match->evidence = arena_format(arena, "what it holds keeps %s of free memory from being given back",
                                   amount_bytes(arena, (double)candidate->kept_bytes));
    return true;
}

const struct rule rule_fragmentation = {
    KIND_FRAGMENTATION,
    matches,
    "few objects that stay were made among many that went: the memory between them is free, but the allocator cannot "
    "give it back, nor use it for objects of other sizes",
    "copy what is to stay after the rest has gone (bytes(row), copy.copy), so that it lies together; keep it in one "
    "compact object (array, b\"\".join), or do such work in a process that ends",
};
