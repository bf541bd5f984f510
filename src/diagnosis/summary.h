/* The parts of a verdict that are no conclusion: target, window, totals, coverage, notes. */
#ifndef CAULK_DIAGNOSIS_SUMMARY_H
#define CAULK_DIAGNOSIS_SUMMARY_H

#include "diagnosis/diagnosis.h"

void summary_fill(const struct evidence *evidence, struct arena *arena, struct verdict *out);

/* What the reader should know beside the findings; needs the outcome. */
void summary_add_notes(const struct evidence *evidence, struct arena *arena, struct verdict *out);

/* One more note behind those that there are; `arena` is the verdict's. */
void summary_add_note(struct verdict *verdict, struct arena *arena, const char *note);

#endif
