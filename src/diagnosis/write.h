/* A suspect as a finding: title, numbers, evidence in words. */
#ifndef CAULK_DIAGNOSIS_WRITE_H
#define CAULK_DIAGNOSIS_WRITE_H

#include "diagnosis/merge.h"

void finding_write(const struct suspect *suspect, uint32_t rank, struct arena *arena, struct finding *out);

#endif
