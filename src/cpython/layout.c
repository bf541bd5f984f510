/* The table of layout rows and how a row is chosen. */
#include "cpython/layout.h"

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

const struct layout *layout_find(uint32_t version) {
    const struct layout *nearest = NULL;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (rows[i].version >> 16 != version >> 16)
            continue;
        if (!nearest || patch_distance(rows[i].version, version) < patch_distance(nearest->version, version))
            nearest = &rows[i];
    }
    return nearest;
}

const char *layout_supported_versions(void) {
    return "3.9, 3.10, 3.11, 3.12, 3.13, 3.14, 3.15";
}
