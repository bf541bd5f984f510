/* What was allocated by expression, folded by line. */
#include "app/own_extents.h"

#include <stdlib.h>

struct entry {
    uint32_t line;
    struct source_extent extent;
    struct samples_amounts amounts;
};

void extent_folding_add(struct extent_folding *folding, uint32_t line, struct source_extent extent,
                        const struct samples_amounts *amounts) {
    if (extent.end_line)
        *vector_push(&folding->entries, struct entry) = (struct entry){line, extent, *amounts};
}

static int by_expression(const void *left, const void *right) {
    const struct entry *a = left, *b = right;
    if (a->line != b->line)
        return a->line < b->line ? -1 : 1;
    return source_extent_compare(a->extent, b->extent);
}

static size_t fold(struct entry *entries, size_t count) {
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (kept && by_expression(&entries[kept - 1], &entries[i]) == 0)
            samples_amounts_add(&entries[kept - 1].amounts, &entries[i].amounts);
        else
            entries[kept++] = entries[i];
    }
    return kept;
}

void extent_folding_end(struct extent_folding *folding, struct run_line *lines) {
    struct entry *entries = folding->entries.items;
    const struct entry *best = NULL;
    if (folding->entries.count)
        qsort(entries, folding->entries.count, sizeof *entries, by_expression);
    size_t count = fold(entries, folding->entries.count);
    for (size_t i = 0; i < count; i++) {
        struct run_line *line = &lines[entries[i].line];
        if (!line->expressions++ || samples_amounts_by_peak(&entries[i].amounts, &best->amounts) < 0)
            best = &entries[i];
        line->extent = best->extent;
    }
    vector_deinit(&folding->entries);
}
