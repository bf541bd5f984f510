/* Expressions in reports. */
#ifndef CAULK_REPORT_EXTENT_H
#define CAULK_REPORT_EXTENT_H

#include "base/source.h"
#include "report/json.h"

/* "end_line", "column" and "end_column"; nothing if they are not known. */
void extent_write(struct json *json, struct source_extent extent);

#endif
