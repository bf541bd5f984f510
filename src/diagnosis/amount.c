/* Numbers as a person reads them. */
#include "diagnosis/amount.h"

#include <stdio.h>

static const char *scaled(struct arena *arena, double value, double step, const char *const *units,
                          size_t count) {
    size_t unit = 0;
    while (value >= step && unit + 1 < count) {
        value /= step;
        unit++;
    }
    return arena_format(arena, unit > 0 && value < 100 ? "%.1f %s" : "%.0f %s", value, units[unit]);
}

const char *amount_bytes(struct arena *arena, double bytes) {
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
    return scaled(arena, bytes > 0 ? bytes : 0, 1024, units, sizeof units / sizeof *units);
}

const char *amount_rate(struct arena *arena, double bytes_per_second) {
    static const char *const units[] = {"B/s", "kB/s", "MB/s", "GB/s"};
    return scaled(arena, bytes_per_second > 0 ? bytes_per_second : 0, 1000, units,
                  sizeof units / sizeof *units);
}

const char *amount_count(struct arena *arena, uint64_t count) {
    char digits[24], text[32];
    int length = snprintf(digits, sizeof digits, "%llu", (unsigned long long)count);
    size_t at = 0;
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0)
            text[at++] = ',';
        text[at++] = digits[i];
    }
    return arena_copy_text(arena, text, at);
}

int amount_percent(double share) {
    return (int)((share < 0 ? 0 : share > 1 ? 1 : share) * 100 + 0.5);
}

const char *amount_type_name(struct arena *arena, struct span module, struct span name) {
    if (!name.length)
        return "object";
    if (!module.length || span_is(module, "builtins"))
        return arena_copy_text(arena, name.data, name.length);
    return arena_format(arena, "%.*s.%.*s", (int)module.length, module.data, (int)name.length, name.data);
}
