/* What a command looks at: a live process, a snapshot file or a core file. */
#include "app/target.h"

#include "graph/capture.h"
#include "memory/core.h"
#include "memory/freeze.h"
#include "memory/live.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct error *target_from_word(const char *word, const struct choices *choices, struct target *out) {
    *out = (struct target){.pause = choices->pause, .types = choices->types};
    if (!*word || word[strspn(word, "0123456789")]) {
        out->path = word;
        return NULL;
    }
    errno = 0;
    unsigned long number = strtoul(word, NULL, 10);
    if (errno || number < 1 || number > INT32_MAX)
        return error_create(STATUS_USAGE, "%s is not the number of a process", word);
    out->pid = (int)number;
    return NULL;
}

static double seconds_since_epoch(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* The picture waits for a moment without garbage collection: the lists are in disorder during one. */
static struct error *freeze_target(const struct target *target, const struct memory *memory, struct image **out,
                                   struct freeze_statistics *statistics) {
    struct python_process process;
    TRY(python_process_find(memory, &process));
    remote_address addresses[PROCESS_INTERPRETERS_MAX];
    struct freeze_condition conditions[PROCESS_INTERPRETERS_MAX];
    size_t count = python_process_collecting(&process, addresses, PROCESS_INTERPRETERS_MAX);
    for (size_t i = 0; i < count; i++)
        conditions[i].address = addresses[i];
    struct freeze_options options = {
        .pause = target->pause, .conditions = conditions, .condition_count = count};
    sigset_t before, ends; /* a request to end waits until nothing of ours is in the target */
    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGHUP);
    sigprocmask(SIG_BLOCK, &ends, &before);
    struct error *error = freeze_and_copy(target->pid, &options, out, statistics);
    sigprocmask(SIG_SETMASK, &before, NULL);
    return error;
}

static void fill_facts(struct heap_facts *facts, const struct live_identity *identity,
                       const struct live_resident *resident, const struct live_schedule *schedule,
                       const struct freeze_statistics *statistics) {
    facts->pid = identity->pid;
    memcpy(facts->executable, identity->executable, sizeof facts->executable);
    memcpy(facts->command, identity->command, sizeof facts->command);
    facts->taken_at = seconds_since_epoch() - statistics->copy_ms / 1000;
    facts->pause_ms = statistics->pause_ms;
    facts->copy_ms = statistics->copy_ms;
    facts->rss = resident->total;
    facts->anonymous = resident->anonymous;
    facts->file = resident->file;
    facts->shared = resident->shared;
    facts->stacks = resident->stacks;
    facts->swapped = resident->swapped;
    facts->running = schedule->running;
    facts->waiting = schedule->waiting;
    facts->rests = schedule->rests;
}

static struct error *check_identity(struct target *target, const struct live_identity *identity) {
    if (!target->start_time)
        target->start_time = identity->start_time;
    if (target->start_time != identity->start_time)
        return error_create(STATUS_NO_TARGET, "process %d ended; another one has its number now", target->pid);
    return NULL;
}

static void add_remark(struct target *target, const char *remark) {
    if (target->remark_count < TARGET_REMARKS_MOST)
        snprintf(target->remarks[target->remark_count++], TARGET_REMARK_BYTES, "%s", remark);
}

/* A wish that was not met by itself: the pause is then longer than promised. */
static void tell_pause(struct target *target, const char *reason) {
    char remark[TARGET_REMARK_BYTES];
    snprintf(remark, sizeof remark, "copied while it stood still, as with --pause: %s", reason);
    target->remark_count = 0;
    add_remark(target, remark);
}

/* $XDG_CONFIG_HOME/caulk/types or ~/.config/caulk/types; false if there is no such file. */
static bool find_own_types(char *path, size_t size) {
    const char *folder = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    if (folder && *folder == '/')
        snprintf(path, size, "%s/caulk/types", folder);
    else if (home && *home == '/')
        snprintf(path, size, "%s/.config/caulk/types", home);
    else
        return false;
    return access(path, F_OK) == 0;
}

static struct error *read_types(const struct target *target, struct described_types **out) {
    char path[4096];
    *out = NULL;
    if (target->types)
        return described_read(target->types, out);
    return find_own_types(path, sizeof path) ? described_read(path, out) : NULL;
}

static struct described_types *take_types(struct described_types **types) {
    struct described_types *taken = *types;
    *types = NULL;
    return taken;
}

static struct error *open_process(struct target *target, struct described_types **types, struct heap **out) {
    struct live_identity identity;
    struct live_resident resident = {0};
    struct live_schedule schedule = {0};
    struct memory *memory;
    TRY(live_open(target->pid, &memory));
    struct image *image = NULL;
    struct freeze_statistics statistics = {0};
    struct error *error = live_identify(target->pid, &identity);
    if (!error)
        error = check_identity(target, &identity);
    if (!error)
        error_discard(live_resident(target->pid, &resident)); /* the split of RSS is then left out */
    if (!error)
        error = freeze_target(target, memory, &image, &statistics);
    live_schedule(target->pid, &schedule); /* as near to the picture as can be; all zeros if unknown */
    memory_close(memory);
    if (error)
        return error;
    TRY(capture_heap_described(image, take_types(types), out));
    if ((*out)->facts.ending) {
        heap_close(*out);
        return error_create(STATUS_NO_TARGET, "process %d is ending: its Python has begun to take its heap down", target->pid);
    }
    if (statistics.paused)
        tell_pause(target, statistics.paused);
    fill_facts(&(*out)->facts, &identity, &resident, &schedule, &statistics);
    return NULL;
}

/* Why a core has no heap that can be read: the cause, where it is the core's and not the process's. */
static struct error *explain_core(const struct target *target, const struct core_facts *facts, struct error *error) {
    struct error *explained;
    uint32_t lost = facts->files_missing + facts->files_different;
    core_make_printable(error->message);
    if (facts->bytes_missing)
        explained = error_create(STATUS_BAD_FILE,
                                 "%s is truncated: %.1f of %.1f MiB of memory are missing, among them %s; get a whole "
                                 "core (ulimit -c unlimited, room on the disk)",
                                 target->path, (double)facts->bytes_missing / (1 << 20),
                                 (double)facts->bytes_promised / (1 << 20),
                                 facts->mappings ? "the state of its Python"
                                                 : "the list of its files, which gcore writes last");
    else if (lost && error->status == STATUS_NOT_PYTHON)
        explained = error_create(error->status,
                                 "%s: no Python among the files that are here; %u that the process ran are missing or "
                                 "different, such as %.200s: run caulk where the process ran, or in its container image",
                                 target->path, lost, facts->lost_file);
    else
        explained = error_create(error->status, "%s: %s", target->path, error->message);
    error_discard(error);
    return explained;
}

/* The picture of a process waits for the collector; a core could not. */
static void fill_remarks(struct target *target, const struct core_facts *facts, const struct image *image) {
    struct python_process process;
    remote_address addresses[PROCESS_INTERPRETERS_MAX];
    uint32_t busy, any = 0;
    struct error *error = python_process_find(&image->memory, &process);
    size_t count = error ? 0 : python_process_collecting(&process, addresses, PROCESS_INTERPRETERS_MAX);
    for (size_t i = 0; i < count; i++)
        any |= memory_read(&image->memory, addresses[i], sizeof busy, &busy) ? busy : 0;
    target->remark_count = 0;
    for (size_t i = 0; i < facts->remark_count; i++)
        add_remark(target, facts->remarks[i]);
    if (error)
        add_remark(target, "the state of its Python is lost: objects were found by themselves, and what only stacks or C "
                           "code hold has no name");
    if (any)
        add_remark(target, "the garbage collector was at work when the core was written: many objects may be unseen");
    error_discard(error);
}

static struct error *open_core(struct target *target, struct described_types **types, struct heap **out) {
    struct core_facts core;
    struct image *image;
    TRY(core_open(target->path, &image, &core));
    fill_remarks(target, &core, image);
    struct error *error = capture_heap_described(image, take_types(types), out);
    if (error)
        return explain_core(target, &core, error);
    struct heap_facts *facts = &(*out)->facts;
    memcpy(facts->executable, core.executable, sizeof facts->executable);
    memcpy(facts->command, core.command, sizeof facts->command);
    facts->taken_at = core.written_at;
    return NULL;
}

void target_print_remarks(const struct target *target) {
    for (size_t i = 0; i < target->remark_count; i++)
        fprintf(stderr, "caulk: note: %s\n", target->remarks[i]);
}

struct error *target_open(struct target *target, struct heap **out) {
    *out = NULL;
    bool core = !target->pid && core_recognise(target->path);
    if (!target->pid && !core)
        return heap_file_read(target->path, out);
    struct described_types *types;
    TRY(read_types(target, &types));
    struct error *error = core ? open_core(target, &types, out) : open_process(target, &types, out);
    described_close(types);
    return error;
}
