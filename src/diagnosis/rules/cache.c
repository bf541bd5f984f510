/* Caches without a limit. */
#include "diagnosis/rules.h"

#include <ctype.h>

static bool contains_word(struct span text, const char *word) {
    size_t length = strlen(word);
    for (size_t i = 0; i + length <= text.length; i++) {
        size_t same = 0;
        while (same < length && tolower((unsigned char)text.data[i + same]) == word[same])
            same++;
        if (same == length)
            return true;
    }
    return false;
}

static bool is_called_cache(struct span name) {
    return contains_word(name, "cache") || contains_word(name, "memo");
}

/* The wrapper, or its dict, or what the dict's entries hang from. */
static bool is_lru_cache(const struct candidate *candidate) {
    for (size_t back = 1; back <= 3 && back <= candidate->step_count; back++)
        if (graph_type_of(candidate->graph, candidate->steps[candidate->step_count - back].node)->role ==
            ROLE_CACHE)
            return true;
    return false;
}

static bool matches_function_cache(const struct candidate *candidate, struct arena *arena,
                                   struct rule_match *match) {
    (void)arena;
    (void)match;
    return candidate->source == CANDIDATE_HELD && is_lru_cache(candidate);
}

const struct rule rule_function_cache = {
    KIND_UNBOUNDED_CACHE,
    matches_function_cache,
    "functools.cache or lru_cache(maxsize=None) keeps every argument and result for ever; on a method, "
    "`self` is "
    "an argument",
    "give lru_cache a maxsize; on methods use functools.cached_property or a cache on the instance; key by "
    "what "
    "identifies, not by whole objects",
};

static bool matches(const struct candidate *candidate, struct arena *arena, struct rule_match *match) {
    (void)arena;
    (void)match;
    if (candidate->source != CANDIDATE_HELD)
        return false;
    const struct graph_type *holder = candidate_holder_type(candidate);
    if (!holder || holder->role == ROLE_SEQUENCE)
        return false;
    if (is_called_cache(candidate_name(candidate)) || is_called_cache(holder->name))
        return true;
    size_t count = candidate->step_count;
    return count > 1 &&
           is_called_cache(graph_type_of(candidate->graph, candidate->steps[count - 2].node)->name);
}

const struct rule rule_cache = {
    KIND_UNBOUNDED_CACHE,
    matches,
    "a cache without a limit: each new key adds an entry and none is removed",
    "give it a limit (functools.lru_cache(maxsize=...), cachetools.TTLCache) and check that keys repeat at "
    "all",
};
