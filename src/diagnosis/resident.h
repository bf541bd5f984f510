/* How the resident memory of the process divides up. */
#ifndef CAULK_DIAGNOSIS_RESIDENT_H
#define CAULK_DIAGNOSIS_RESIDENT_H

#include "diagnosis/diagnosis.h"

/* Fills rss and rss_known. The parts add up to the total. */
void resident_split_fill(const struct evidence *evidence, struct verdict *out);

#endif
