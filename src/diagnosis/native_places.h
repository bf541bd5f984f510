/* Native code that allocated, for people. */
#ifndef CAULK_DIAGNOSIS_NATIVE_PLACES_H
#define CAULK_DIAGNOSIS_NATIVE_PLACES_H

#include "diagnosis/finding.h"
#include "samples/samples.h"

enum { NATIVE_PLACES_MOST = 12 };

/* The native frames below the innermost Python frame of a stack, innermost first, without Python's own functions that
 * only hand a request on to malloc. At most NATIVE_PLACES_MOST. */
size_t native_places(const struct samples *samples, uint32_t leaf, struct arena *arena, struct native_place **out);

#endif
