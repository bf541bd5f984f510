/* Native memory that grows: lost, or held by C data or by objects of C types. */
#ifndef CAULK_DIAGNOSIS_RAW_H
#define CAULK_DIAGNOSIS_RAW_H

#include "diagnosis/comparison.h"

enum { RAW_FINDINGS_MOST = 5 };

/* What of the raw memory grew steadily and by at least `least` bytes, most bytes per second first; at most
 * RAW_FINDINGS_MOST. Ranks are the caller's. */
size_t raw_find(const struct evidence *evidence, uint64_t least, struct arena *arena, struct finding *out);

#endif
