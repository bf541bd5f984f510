/* The rules: which kind of leak a candidate is, by facts of CPython. The first rule that matches decides, so
 * that the table goes from the narrow to the wide. A new kind is one file in rules/ and one line in RULES. */
#ifndef CAULK_DIAGNOSIS_RULES_H
#define CAULK_DIAGNOSIS_RULES_H

#include "diagnosis/candidate.h"

/* What a rule found; a rule may overwrite its own words with closer ones and add a line of evidence. */
struct rule_match {
    const char *cause, *advice;
    const char *evidence; /* NULL: none beside the numbers */
};

struct rule {
    enum finding_kind kind;
    /* Whether the candidate is of this kind. `match` holds the rule's words. */
    bool (*matches)(const struct candidate *candidate, struct arena *arena, struct rule_match *match);
    const char *cause, *advice;
};

/* clang-format off */
#define RULES(line) \
    line(rule_fragmentation) \
    line(rule_refcount) \
    line(rule_waiting_cycle) \
    line(rule_uncollectable) \
    line(rule_function_cache) \
    line(rule_task) \
    line(rule_thread) \
    line(rule_queue) \
    line(rule_closure) \
    line(rule_callback) \
    line(rule_registry) \
    line(rule_frame) \
    line(rule_buffer) \
    line(rule_cache) \
    line(rule_container)
/* clang-format on */

#define RULES_DECLARE(name) extern const struct rule name;
RULES(RULES_DECLARE)

/* The rule that the candidate falls under, or NULL: it is no leak. */
const struct rule *rules_find(const struct candidate *candidate, struct arena *arena,
                              struct rule_match *match);

#endif
