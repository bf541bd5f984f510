/* Growth that is no leak, and why: the answers that rank equal to findings. */
#ifndef CAULK_DIAGNOSIS_EXCUSE_H
#define CAULK_DIAGNOSIS_EXCUSE_H

#include "diagnosis/candidate.h"

enum { EXCUSES_MOST = 8 };

struct excuses {
    struct arena *arena;
    struct not_leak list[EXCUSES_MOST];
    const char *paths[EXCUSES_MOST]; /* of whom; each once */
    size_t count;
};

/* Whether what grows has a limit that it will reach; then it is listed. */
bool excuse_bounded(struct excuses *excuses, const struct candidate *candidate);

/* Whether what nobody in Python holds comes and goes with C objects among the garbage; then it is listed. What such an
 * object has behind its pointers is not seen. */
bool excuse_with_garbage(struct excuses *excuses, const struct candidate *candidate);

/* Lists a holder that grew but does not grow steadily. */
void excuse_settled(struct excuses *excuses, const struct candidate *candidate);

/* Lists garbage that an enabled collector will get, if it is at least `least` bytes. */
void excuse_garbage(struct excuses *excuses, const struct evidence *evidence, uint64_t least);

/* Lists a heap that stays as it is while objects come and go. */
void excuse_churn(struct excuses *excuses, const struct evidence *evidence);

#endif
