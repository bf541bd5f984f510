/* Numbers as a person reads them. The text lives in the arena. */
#ifndef CAULK_DIAGNOSIS_AMOUNT_H
#define CAULK_DIAGNOSIS_AMOUNT_H

#include "base/arena.h"
#include "graph/graph.h"

/* "2.1 MiB" */
const char *amount_bytes(struct arena *arena, double bytes);

/* "2.1 MB/s" */
const char *amount_rate(struct arena *arena, double bytes_per_second);

/* "1,204,331" */
const char *amount_count(struct arena *arena, uint64_t count);

/* 0.0 to 1.0 as whole percent. */
int amount_percent(double share);

/* "shop.Session"; without the module if that is builtins or empty. */
const char *amount_type_name(struct arena *arena, struct span module, struct span name);

#endif
