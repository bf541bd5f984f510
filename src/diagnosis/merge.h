/* One finding per cause: candidates that grow because of the same thing become one. */
#ifndef CAULK_DIAGNOSIS_MERGE_H
#define CAULK_DIAGNOSIS_MERGE_H

#include "diagnosis/rules.h"

enum { FOLLOWERS_MOST = 3 };

/* A candidate that a rule matched. */
struct suspect {
    struct candidate candidate;
    const struct rule *rule;
    struct rule_match match;
    double score;                          /* bytes per second that it explains; see suspects_rank */
    const char *followers[FOLLOWERS_MOST]; /* paths that grow in step with it */
    size_t follower_count;
};

/* Sorts by the rate that only the suspect explains, and folds those that follow a stronger one into it.
 * Returns how many are left. */
size_t suspects_rank(struct suspect *suspects, size_t count);

/* Part of what hangs below the holder that is reachable through it alone; 1 where nothing can be said. */
double suspect_exclusive_share(const struct candidate *candidate);

/* Bytes below the candidate's holder now. */
uint64_t suspect_bytes(const struct candidate *candidate);

#endif
