/* Fills the tables of the commands that show a heap. */
#ifndef CAULK_APP_TABLES_H
#define CAULK_APP_TABLES_H

#include "app/output.h"
#include "app/pipeline.h"
#include "report/tables.h"

void tables_snapshot(const struct heap *heap, struct table_snapshot *out);

/* "shop.Session", "dict" */
const char *tables_type_name(const struct graph *graph, node_id node, struct arena *arena);
const char *tables_qualified(struct span module, struct span name, struct arena *arena);

/* The path of a node as a person writes it. `names` for those who ask for many, else NULL. */
const char *tables_path(const struct stage *stage, node_id node, struct path_names *names, struct arena *arena);

/* Nodes where the heap accumulates: each retains much, and no single object below it retains most of that.
 * Largest first, none below another; at most `limit`. */
size_t holders_find(const struct stage *stage, size_t limit, struct arena *arena, node_id **out);

#endif
