/* The door that CPython 3.14 has for tools like this one (PEP 768, sys.remote_exec): a thread that finds the path
 * of a script in its state runs it at the next place between two bytecodes. Where its fields lie the process tells
 * itself, in _Py_DebugOffsets. */
#ifndef CAULK_CPYTHON_REMOTE_DEBUGGER_H
#define CAULK_CPYTHON_REMOTE_DEBUGGER_H

#include "cpython/pending.h"

struct remote_debugger {
    const struct pending *pending;
    struct remote_debugger_offsets { /* Include/internal/pycore_debug_offsets.h, struct _debugger_support */
        uint64_t breaker, support, enabled, pending_flag, path, path_size;
    } offsets;
    remote_address thread; /* that was asked */
};

/* Why a Python has no such door, in words that follow "its Python "; NULL if it has. */
const char *remote_debugger_find(const struct pending *pending, struct remote_debugger *out);

/* Asks the main thread to run the script at `path`. False if nothing was changed: there is no main thread, the path
 * is too long, or somebody else has asked. The process stands still. */
bool remote_debugger_ask(struct remote_debugger *debugger, const char *path);

/* Withdraws the question. False if the thread has taken it: the script runs or will. A thread that has ended will run
 * no more. The process stands still. */
bool remote_debugger_withdraw(const struct remote_debugger *debugger);

#endif
