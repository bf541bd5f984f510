/* The door: which layout row reads a process. A row is believed only where the structures are as it says. */
#ifndef CAULK_CPYTHON_DOOR_H
#define CAULK_CPYTHON_DOOR_H

#include "cpython/layout.h"
#include "memory/memory.h"

/* The first interpreter of a runtime, by a row; 0 if there is none. */
remote_address door_first_interpreter(const struct memory *memory, const struct layout *layout, remote_address runtime);

/* What is true of every interpreter with this layout. While the target runs a list may be torn for a moment:
 * asks a few times. */
bool door_interpreter_fits(const struct memory *memory, const struct layout *layout, remote_address runtime,
                           remote_address interpreter);

/* The row that fits best of all builds and patch releases of the minor version; where the process has a table of
 * its own offsets (_Py_DebugOffsets), they are laid over the row in `*made`, and `made` is returned if that
 * changed anything. NULL if no row fits: another build, or structures that no release had. */
const struct layout *door_choose(const struct memory *memory, uint32_t version, remote_address runtime,
                                 struct layout *made);

#endif
