/* Where expressions begin and end, for programs. */
#include "report/extent.h"

void extent_write(struct json *json, struct source_extent extent) {
    if (!extent.end_line)
        return;
    json_unsigned(json, "end_line", extent.end_line);
    json_integer(json, "column", extent.column);
    json_integer(json, "end_column", extent.end_column);
}
