/* Native memory that grows: lost, or held by C data or by objects of C types. */
#ifndef CAULK_DIAGNOSIS_RAW_H
#define CAULK_DIAGNOSIS_RAW_H

#include "diagnosis/candidate.h"

enum { RAW_FINDINGS_MOST = 5 };

/* What of the raw memory grew steadily and by at least `least` bytes, most bytes per second first; at most
 * RAW_FINDINGS_MOST. Ranks are the caller's. What is told by raw_candidates is not among it. */
size_t raw_find(const struct comparison *comparison, uint64_t least, struct arena *arena, struct finding *out);

/* Where the objects that hold it multiply, their container is what grows: a candidate each, with the trend of the raw
 * memory. At most RAW_FINDINGS_MOST. */
size_t raw_candidates(const struct comparison *comparison, uint64_t least, struct arena *arena, struct candidate *out);

#endif
