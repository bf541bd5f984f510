/* The processes below the one that is watched: their resident memory, snapshot by snapshot. */
#ifndef CAULK_APP_CHILDREN_H
#define CAULK_APP_CHILDREN_H

#include "app/pipeline.h"

/* Looks at all children of the process, and at theirs, once. children_deinit forgets them. */
void children_look(struct watch *watch);
void children_deinit(struct watch *watch);

/* After the watch, once it is closed: if nothing was found in the process itself and a child grows, that is watched for as long, and what
 * is found there is told in the verdict of the process. What cannot be told of a child that grows is a note. `arena` is the
 * verdict's. */
void children_follow(const struct watch *watch, struct arena *arena, struct verdict *verdict);

#endif
