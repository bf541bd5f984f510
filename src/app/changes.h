/* What changed between two heaps: by type, and by the named path below which it hangs. */
#ifndef CAULK_APP_CHANGES_H
#define CAULK_APP_CHANGES_H

#include "app/tables.h"

/* What is kept of the first heap while the second one is taken. */
struct census_memory {
    struct table_change *types; /* counts of the first heap */
    size_t type_count;
    struct path_tree tree;
};

/* Everything in it lives in `arena`. */
void changes_remember(struct stage *stage, struct arena *arena, struct census_memory *out);

/* Rows sorted by how much they changed, at most `limit` each. */
void changes_by_type(struct stage *stage, const struct census_memory *before, size_t limit, struct table_diff *out);
void changes_by_path(struct stage *stage, const struct census_memory *before, size_t limit, struct table_diff *out);

#endif
