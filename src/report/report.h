/* Reports format a verdict or a table; they compute nothing. */
#ifndef CAULK_REPORT_REPORT_H
#define CAULK_REPORT_REPORT_H

#include "diagnosis/finding.h"

#include <stdio.h>

/* The first screen, for people. `colour`: escape sequences allowed. */
void report_verdict_text(const struct verdict *verdict, FILE *out, bool colour);

/* Schema caulk.verdict/1, one object and a newline. */
void report_verdict_json(const struct verdict *verdict, FILE *out);

#endif
