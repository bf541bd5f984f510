/* Worlds that are drawn anew for each snapshot, one second apart, and what diagnosis says of them.
 *
 *     static void draw(int step, struct text *out) {
 *         text_add(out, "root -> m=shop(module); m -namespace-> g(dict); g -['STORE']-> l(list);");
 *         repeat(out, 10 + 10 * step, "l -[]-> i@(bytes):4000;");
 *     }
 *     struct world *world = watch(draw);
 *     CHECK_TEXT(world->verdict.findings[0].path, "shop.STORE");
 */
#ifndef CAULK_TESTS_WATCHED_WORLD_H
#define CAULK_TESTS_WATCHED_WORLD_H

#include "diagnosis/diagnosis.h"
#include "support/check.h"
#include "support/drawn_graph.h"

enum { WORLD_SNAPSHOTS = 8, WORLD_MOST = 24 };

typedef void draw_function(int step, struct text *out);

struct world {
    struct arena arena;
    struct heap heap; /* of the last snapshot; its facts may be set before watching */
    struct reach reach;
    struct dominators dominators;
    struct paths paths;
    struct observation observations[WORLD_MOST];
    struct growth growth;
    struct verdict verdict;
    struct drawn_graph *drawing; /* of the last snapshot */
    struct hole *holes;          /* path node -> holes; NULL unless an observe_function made it */
};

/* A healthy collector, 64 MB resident. */
struct heap_facts world_facts(void);

/* What is measured beside the objects of a step. */
typedef void observe_function(int step, struct world *world, struct observation *out);

/* The next watch has this observed at each step too; NULL: nothing. */
void world_observe(observe_function *observe);

/* What is drawn with this label, in the newest snapshot. */
node_id world_node(const struct world *world, const char *label);

/* The world is valid until the next watch. */
struct world *watch(draw_function *draw);
struct world *watch_with(draw_function *draw, int snapshots, const struct heap_facts *facts);

/* One second unless told otherwise; as on a machine under load. */
void world_seconds_between(int seconds);

/* One snapshot. */
struct world *look_once(draw_function *draw);

/* Adds `line` for each number from 0 to count - 1, which replaces "@". */
void repeat(struct text *out, int count, const char *line);

/* "certain unbounded-cache shop.get"; "" if there is no such finding. */
const char *found(struct world *world, size_t index);

/* "bounded-cache re._cache (bounded at 512)" of the first that begins with `kind`, or "". */
const char *excused(struct world *world, const char *kind);

/* Whether a line of evidence of the first finding contains this. */
bool has_evidence(const struct world *world, const char *words);

/* Whether all of it holds together: ranks, texts, shares. */
void check_verdict(const struct world *world);

#endif
