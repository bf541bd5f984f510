/* The table of layout rows and how a row is chosen. */
#include "cpython/layout.h"

#include <stdbool.h>

static const struct layout rows[] = {
#include "cpython/layout_rows.h"
};

const struct layout *layout_rows(size_t *count_out) {
    *count_out = sizeof rows / sizeof *rows;
    return rows;
}

static uint32_t patch_distance(uint32_t a, uint32_t b) {
    uint32_t patch_a = a >> 8 & 0xff, patch_b = b >> 8 & 0xff;
    return patch_a > patch_b ? patch_a - patch_b : patch_b - patch_a;
}

/* Whether row `a` is to be tried before row `b`. */
static bool is_nearer(const struct layout *a, const struct layout *b, uint32_t version) {
    uint32_t distance_a = patch_distance(a->version, version), distance_b = patch_distance(b->version, version);
    if (distance_a != distance_b)
        return distance_a < distance_b;
    return a->build != b->build ? a->build < b->build : a < b;
}

const struct layout *layout_find_next(uint32_t version, size_t rank) {
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t nearer = 0;
        for (size_t k = 0; k < sizeof rows / sizeof *rows; k++)
            nearer += rows[k].version >> 16 == version >> 16 && is_nearer(&rows[k], &rows[i], version);
        if (rows[i].version >> 16 == version >> 16 && nearer == rank)
            return &rows[i];
    }
    return NULL;
}

const struct layout *layout_find(uint32_t version) {
    const struct layout *row = layout_find_next(version, 0);
    for (size_t rank = 1; row && row->build; rank++)
        row = layout_find_next(version, rank);
    return row;
}

const char *layout_supported_versions(void) {
    return "3.9, 3.10, 3.11, 3.12, 3.13, 3.14, 3.15";
}
