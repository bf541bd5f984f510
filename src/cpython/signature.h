/* A CPython whose file has no symbols and no sections, found by what its data look like. */
#ifndef CAULK_CPYTHON_SIGNATURE_H
#define CAULK_CPYTHON_SIGNATURE_H

#include "memory/memory.h"

struct signature {
    remote_address runtime;
    uint32_t version;                     /* as sys.hexversion; 0 if the runtime does not tell it */
    const struct memory_segment *library; /* a segment of the file that has it */
};

/* Searches the data of all files that have code. */
bool signature_find(const struct memory *memory, struct signature *out);

#endif
