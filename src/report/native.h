/* Native frames in reports. */
#ifndef CAULK_REPORT_NATIVE_H
#define CAULK_REPORT_NATIVE_H

#include "diagnosis/finding.h"
#include "report/json.h"

#include <stdio.h>

/* "grow <- resize <- append  libx.so": the innermost functions of one module. Columns that it took. */
size_t native_print(const struct native_place *places, size_t count, FILE *out);

/* [{"native": true, "function", "module", "address", "inlined", "file", "line"}], innermost first. */
void native_write(struct json *json, const char *key, const struct native_place *places, size_t count);

#endif
