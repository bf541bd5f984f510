/* A CPython found in memory: which version, where its state lies.
 *
 * Works over any memory source: on a live process to learn what freeze must wait for, on an image for
 * everything else. */
#ifndef CAULK_CPYTHON_PROCESS_H
#define CAULK_CPYTHON_PROCESS_H

#include "cpython/layout.h"
#include "memory/memory.h"

enum { PROCESS_INTERPRETERS_MAX = 256 };

struct python_process {
    const struct layout *layout; /* a row, or `made`: do not copy this structure */
    struct layout made;
    uint32_t version;       /* as sys.hexversion */
    char version_text[32];  /* "3.11.7", "3.13.15t", "3.14.10d" */
    remote_address runtime; /* _PyRuntime */
    remote_address interpreters[PROCESS_INTERPRETERS_MAX];
    size_t interpreter_count;
    bool ending;            /* Py_Finalize is at work: modules are being emptied */
    bool damaged;           /* the chain of interpreters leads into nowhere */
    const struct memory_segment *library; /* a segment of the file that holds the runtime */
};

/* Finds _PyRuntime by symbol, or else by what it looks like, chooses the layout row of this exact version and checks it at the door.
 * Errors: not Python (STATUS_NOT_PYTHON), a Python without a row (STATUS_UNSUPPORTED, by name), a runtime
 * that is being set up or torn down (STATUS_BUSY). */
struct error *python_process_find(const struct memory *memory, struct python_process *out);

/* Addresses of the 32-bit "a collection is running" words, one per interpreter; returns their number. None where a
 * collection moves no object from list to list: free-threaded builds are read in the midst of one. */
size_t python_process_collecting(const struct python_process *process, remote_address *out, size_t capacity);

#endif
