/* Fills the report of a program that was run from its recordings and what was watched of it. */
#ifndef CAULK_APP_RUN_REPORT_H
#define CAULK_APP_RUN_REPORT_H

#include "app/recordings.h"
#include "app/run_watch.h"
#include "report/run.h"

/* Parts and their lines; `watch` may be NULL. What it fills lives in `arena` and as long as the recordings and the
 * watch do. */
void run_report_fill(const struct recordings *recordings, const struct run_watch *watch, struct arena *arena,
                     struct run_report *out);

#endif
