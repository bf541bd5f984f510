/* Asks a thread of CPython 3.14 and later to run a script, as Python/remote_debugging.c does. */
#include "cpython/remote_debugger.h"

#include "cpython/layout.h"
#include "memory/visit.h"

#include <string.h>

enum { PATH_MAX_BYTES = 4096, OFFSET_MAX = 1 << 22 };

static bool offsets_are_plausible(const struct remote_debugger_offsets *offsets) {
    return offsets->breaker < OFFSET_MAX && offsets->support < OFFSET_MAX && offsets->enabled < OFFSET_MAX &&
           offsets->pending_flag < PATH_MAX_BYTES && offsets->path < PATH_MAX_BYTES && offsets->path_size >= 64 &&
           offsets->path_size <= PATH_MAX_BYTES;
}

const char *remote_debugger_find(const struct pending *pending, struct remote_debugger *out) {
    const struct pending_layout *layout = pending->layout;
    *out = (struct remote_debugger){.pending = pending};
    if (layout->runtime_debugger == LAYOUT_NONE)
        return "is older than remote debugging";
    uint32_t enabled;
    if (!memory_read(pending->memory, pending->runtime + layout->runtime_debugger, sizeof out->offsets, &out->offsets) ||
        !offsets_are_plausible(&out->offsets) || out->offsets.breaker != layout->thread_breaker ||
        !memory_read(pending->memory, pending->interpreter + out->offsets.enabled, sizeof enabled, &enabled))
        return "does not say where its remote debugging lies";
    return enabled == 1 ? NULL : "has remote debugging disabled";
}

static remote_address flag_address(const struct remote_debugger *debugger) {
    return debugger->thread + debugger->offsets.support + debugger->offsets.pending_flag;
}

/* The path, then that there is one, then that the thread must look. */
bool remote_debugger_ask(struct remote_debugger *debugger, const char *path) {
    const struct memory *memory = debugger->pending->memory;
    debugger->thread = pending_main_thread(debugger->pending);
    uint32_t flag;
    uint64_t breaker;
    if (!debugger->thread || strlen(path) >= debugger->offsets.path_size ||
        !memory_read(memory, flag_address(debugger), sizeof flag, &flag) || flag != 0 ||
        !memory_read_word(memory, debugger->thread + debugger->offsets.breaker, &breaker))
        return false;
    flag = 1;
    breaker |= debugger->pending->layout->breaker_debugger_bit;
    const struct visit_piece pieces[] = {
        {debugger->thread + debugger->offsets.support + debugger->offsets.path, path, strlen(path) + 1},
        {flag_address(debugger), &flag, sizeof flag},
        {debugger->thread + debugger->offsets.breaker, &breaker, sizeof breaker},
    };
    return visit_write(memory->pid, pieces, 3);
}

bool remote_debugger_withdraw(const struct remote_debugger *debugger) {
    const struct memory *memory = debugger->pending->memory;
    uint32_t flag;
    if (!pending_has_thread(debugger->pending, debugger->thread))
        return true;
    if (!memory_read(memory, flag_address(debugger), sizeof flag, &flag) || flag != 1)
        return false;
    flag = 0;
    return visit_write(memory->pid, &(struct visit_piece){flag_address(debugger), &flag, sizeof flag}, 1);
}
