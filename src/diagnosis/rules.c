/* The table of rules. */
#include "diagnosis/rules.h"

#define RULES_ENTRY(name) &name,

static const struct rule *const rules[] = {RULES(RULES_ENTRY)};

const struct rule *rules_find(const struct candidate *candidate, struct arena *arena,
                              struct rule_match *match) {
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        *match = (struct rule_match){.cause = rules[i]->cause, .advice = rules[i]->advice};
        if (rules[i]->matches(candidate, arena, match))
            return rules[i];
    }
    return NULL;
}
