/* What a command looks at: a live process or a snapshot file. */
#include "app/target.h"

#include "graph/capture.h"
#include "memory/freeze.h"
#include "memory/live.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

struct error *target_from_word(const char *word, bool pause, struct target *out) {
    *out = (struct target){.pause = pause};
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
                       const struct live_resident *resident, const struct freeze_statistics *statistics) {
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
}

static struct error *check_identity(struct target *target, const struct live_identity *identity) {
    if (!target->start_time)
        target->start_time = identity->start_time;
    if (target->start_time != identity->start_time)
        return error_create(STATUS_NO_TARGET, "process %d ended; another one has its number now", target->pid);
    return NULL;
}

static struct error *open_process(struct target *target, struct heap **out) {
    struct live_identity identity;
    struct live_resident resident = {0};
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
    memory_close(memory);
    if (error)
        return error;
    TRY(capture_heap(image, out));
    fill_facts(&(*out)->facts, &identity, &resident, &statistics);
    return NULL;
}

struct error *target_open(struct target *target, struct heap **out) {
    *out = NULL;
    return target->pid ? open_process(target, out) : heap_file_read(target->path, out);
}
