/* Source files of Python code, by their names; expressions in them. */
#include "base/source.h"

static bool contains(struct span text, const char *part) {
    return text.length && memmem(text.data, text.length, part, strlen(part));
}

/* lib/python3.11/json/decoder.py: a folder called pythonX.Y below a folder called lib is the library. */
static bool is_stdlib_path(struct span file) {
    const char *found = file.length ? memmem(file.data, file.length, "/lib/python3", 12) : NULL;
    if (!found)
        return false;
    struct span rest = {found + 12, (size_t)(file.data + file.length - found - 12)};
    return rest.length && (rest.data[0] == '.' || rest.data[0] == '/');
}

bool source_is_library(struct span file) {
    return contains(file, "/site-packages/") || contains(file, "/dist-packages/") || is_stdlib_path(file) ||
           (file.length && file.data[0] == '<');
}

static int compare(int64_t a, int64_t b) {
    return (a > b) - (a < b);
}

int source_extent_compare(struct source_extent a, struct source_extent b) {
    int order = compare(a.end_line == 0, b.end_line == 0);
    if (!order)
        order = compare(a.column, b.column);
    if (!order)
        order = compare(a.end_line, b.end_line);
    return order ? order : compare(a.end_column, b.end_column);
}
