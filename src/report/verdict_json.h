/* The verdict as a part of a larger JSON text. */
#ifndef CAULK_REPORT_VERDICT_JSON_H
#define CAULK_REPORT_VERDICT_JSON_H

#include "diagnosis/finding.h"
#include "report/json.h"

/* One object of schema caulk.verdict/1; `key` as in json.h. */
void report_verdict_write(struct json *json, const char *key, const struct verdict *verdict);

#endif
