/* Puts the sampler into a running process: by which way, and when not at all. */
#include "app/attach_work.h"
#include "app/agent_library.h"
#include "cpython/layout.h"
#include "memory/elf_loaded.h"
#include "memory/live.h"
#include "memory/stop.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

const struct memory_segment *attach_first_segment(const struct memory *memory, const struct memory_segment *segment) {
    for (size_t i = 0; segment && i < memory->segment_count; i++) {
        const struct memory_segment *other = &memory->segments[i];
        if (other->file_offset == 0 && other->inode == segment->inode && other->device == segment->device &&
            strcmp(other->path, segment->path) == 0)
            return other;
    }
    return NULL;
}

/* "/folder/libcaulk_agent.so", also as a file in memory: "/memfd:libcaulk_agent.so (deleted)". */
bool attach_is_library(const struct memory_segment *segment) {
    const char *name = strstr(segment->path, AGENT_LIBRARY);
    return name && segment->file_offset == 0 && name > segment->path && (name[-1] == '/' || name[-1] == ':');
}

static struct error *find_library(struct attachment *attachment) {
    const struct memory *memory = attachment->memory;
    const struct memory_segment *found = NULL;
    for (size_t i = 0; i < memory->segment_count; i++) {
        const struct memory_segment *segment = &memory->segments[i];
        if (!attach_is_library(segment) || !elf_loaded_symbol(memory, segment, attachment->function))
            continue;
        if (found && found->inode != segment->inode)
            return error_create(STATUS_BUSY, "process %d has two samplers loaded: %s and %s; start it anew",
                                attachment->pid, found->path, segment->path);
        found = segment;
    }
    attachment->entry = found ? elf_loaded_symbol(memory, found, attachment->function) : 0;
    attachment->report->was_loaded = found != NULL;
    return NULL;
}

/* Before 3.13 a build that links all objects has two more words in the head of each. The type of types is its own type; the
 * one of the library's table may be nobody's, where the program has a copy of it. */
static bool heads_are_usual(const struct attachment *attachment) {
    const struct memory *memory = attachment->memory;
    const struct memory_segment *python = attach_first_segment(memory, attachment->process.library);
    remote_address type = python ? elf_loaded_symbol(memory, python, "PyType_Type") : 0;
    uint32_t offset = attachment->process.layout->object_type;
    uint64_t meta, again;
    return !type || (memory_read_word(memory, type + offset, &meta) && memory_read_word(memory, meta + offset, &again) &&
                     meta == again);
}

struct error *attach_prepare(struct attachment *attachment) {
    memory_close(attachment->memory);
    attachment->memory = NULL;
    TRY(live_open(attachment->pid, &attachment->memory));
    TRY(python_process_find(attachment->memory, &attachment->process));
    if (attachment->process.layout->build & LAYOUT_FREE_THREADED)
        return error_create(STATUS_UNSUPPORTED, "process %d runs a free-threaded Python: the sampler is for builds with a "
                                                "GIL", attachment->pid);
    if (attachment->process.layout->build & LAYOUT_DEBUG)
        return error_create(STATUS_UNSUPPORTED, "process %d runs a debug build of Python: the sampler is for release builds",
                            attachment->pid);
    if (!heads_are_usual(attachment))
        return error_create(STATUS_UNSUPPORTED, "process %d: the objects of its Python %s are not those of a usual build, as "
                                                "with --with-trace-refs: it gets no sampler",
                            attachment->pid, attachment->process.version_text);
    TRY(pending_find(attachment->memory, &attachment->process, &attachment->pending));
    return find_library(attachment);
}

/* A message of the first way becomes a remark if the second one works. */
static struct error *call_by_some_way(struct attachment *attachment, struct attach_result *out) {
    struct attach_report *report = attachment->report;
    report->way = ATTACH_BY_REMOTE_DEBUGGER;
    TRY(attach_by_script(attachment, out));
    if (out->called)
        return NULL;
    if (attachment->pending.layout->runtime_debugger != LAYOUT_NONE)
        snprintf(report->remark, sizeof report->remark, "not by sys.remote_exec: %.200s", out->message);
    attachment->deadline = stop_clock() + attachment->patience;
    report->way = ATTACH_BY_PENDING_CALL;
    return attach_by_door(attachment, out);
}

static struct error *call(struct attachment *attachment) {
    struct attach_result result;
    TRY(attach_ask_filter(attachment));
    TRY(call_by_some_way(attachment, &result));
    if (!result.called)
        return error_create(STATUS_BUSY, "nothing was loaded into process %d: %s", attachment->pid, result.message);
    if (result.value == EBUSY)
        return error_create(STATUS_BUSY, "process %d: another tool (tracemalloc, memray ...) has its hooks on Python's "
                                         "allocators, and would take the sampler's along when it stops: stop it there first",
                            attachment->pid);
    if (result.value)
        return error_create(STATUS_UNSUPPORTED, "the sampler in process %d: %s", attachment->pid, strerror(result.value));
    return NULL;
}

/* A request to end waits until nothing of ours is in the target. */
static struct error *call_undisturbed(struct attachment *attachment) {
    sigset_t before, ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGHUP);
    sigprocmask(SIG_BLOCK, &ends, &before);
    struct error *error = call(attachment);
    sigprocmask(SIG_SETMASK, &before, NULL);
    return error;
}

static void forget(struct attachment *attachment) {
    memory_close(attachment->memory);
    arena_deinit(&attachment->arena);
}

static struct error *start(struct attachment *attachment) {
    TRY(attach_prepare(attachment));
    TRY(agent_library_find(&attachment->arena, &attachment->library));
    return call_undisturbed(attachment);
}

static struct error *stop(struct attachment *attachment) {
    TRY(attach_prepare(attachment));
    if (!attachment->entry)
        return error_create(STATUS_NO_TARGET, "there is no sampler in process %d", attachment->pid);
    return call_undisturbed(attachment);
}

struct error *attach_start_within(int pid, const char *options, double seconds, struct attach_report *out) {
    struct attachment attachment = {
        .pid = pid, .options = options, .function = "caulk_agent_start", .patience = seconds, .report = out};
    *out = (struct attach_report){0};
    struct error *error = start(&attachment);
    forget(&attachment);
    return error;
}

struct error *attach_start(int pid, const char *options, struct attach_report *out) {
    return attach_start_within(pid, options, ATTACH_PATIENCE, out);
}

struct error *attach_stop(int pid, struct attach_report *out) {
    struct attachment attachment = {
        .pid = pid, .options = "", .function = "caulk_agent_stop", .patience = ATTACH_PATIENCE, .report = out};
    *out = (struct attach_report){0};
    struct error *error = stop(&attachment);
    forget(&attachment);
    return error;
}
