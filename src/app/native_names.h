/* Names of native frames, from the files that they lie in. */
#ifndef CAULK_APP_NATIVE_NAMES_H
#define CAULK_APP_NATIVE_NAMES_H

#include "samples/samples.h"

/* Fills the function of every native frame: its name where the file on disk is the one that ran and has it, else
 * "library.so+0x1234". */
void native_names_fill(struct samples *samples, struct arena *arena);

#endif
