/* Running a program with the sampler in it, for the commands that do. */
#ifndef CAULK_APP_RUN_H
#define CAULK_APP_RUN_H

#include "app/command.h"
#include "app/program.h"
#include "app/recordings.h"

/* Runs the words of `choices` to their end, reports as the choices say, and leaves the recordings in `arena`. An error
 * only if the program could not be started: what goes wrong later is told on standard error, for the program's end is
 * what counts. */
struct error *run_and_record(const struct choices *choices, struct arena *arena, struct recordings *out,
                             int *wait_status_out);

#endif
