/* Calls a function of the sampler by a pending call of the target.
 *
 * One stop: while all threads stand still and nobody holds the queue's lock, a thread makes the system calls that
 * map a page of code and a page of words (memory/door.h), and two calls are put into the queue: that code, and
 * behind it a harmless function of Python. From then on the target needs us no more: if we are killed it makes the
 * call just so, closes the file and goes on. Both calls have left the queue only when the code has returned: no
 * thread can be in its page or come back to it then, and a second stop takes the pages away.
 *
 * If the call is not made in time it is taken out of the queue, which is possible only while it was not begun. */
#include "app/attach_work.h"
#include "app/agent_library.h"
#include "app/attach_door_words.h"
#include "app/attach_folder.h"
#include "memory/live_conditions.h"
#include "memory/maps.h"
#include "memory/visit.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define DOOR_NAME "caulk-door"

enum { PAGE = 4096, MEMFD_CLOSE_ON_EXEC = 1, MEMFD_EXECUTE = 0x10, LEFT_MAX = 16, LEAVE_TRIES = 8 };

struct work {
    struct attachment *attachment;
    struct injector injector;
    struct attach_door_words words;
    struct pending_call calls[2];
    remote_address code, data;
    int descriptor;       /* of the library in the target; -1 none */
    struct attach_folder folder; /* for files where they cannot be in memory */
    const char *obstacle; /* why this stop did nothing, and another may */
    char failure[160];    /* why no stop will */
    bool scheduled, finished;
    int left[LEFT_MAX];   /* descriptors of the library that somebody who was killed left behind */
    size_t left_count;
};

static const char no_thread[] = "no thread of it can make a system call now";

static void fail(struct work *work, const char *what, long result) {
    snprintf(work->failure, sizeof work->failure, "%s: %s", what, strerror((int)-result));
}

/* False, and the reason kept, if the call failed. */
static bool call(struct visit *visit, struct work *work, const char *what, long number, const uint64_t arguments[6],
                 long *result_out) {
    *result_out = -EINTR;
    if (!visit_call(visit, number, arguments, result_out)) {
        snprintf(work->failure, sizeof work->failure, "%s", no_thread);
        return false;
    }
    if (*result_out >= 0 || *result_out < -4095)
        return true;
    fail(work, what, *result_out);
    return false;
}

static void close_descriptor(struct visit *visit, int descriptor) {
    const uint64_t arguments[6] = {(uint64_t)descriptor};
    long result;
    if (descriptor >= 0)
        visit_call(visit, SYS_close, arguments, &result);
}

static bool unmap(struct visit *visit, remote_address address) {
    const uint64_t arguments[6] = {address, PAGE};
    long result;
    return !address || visit_call(visit, SYS_munmap, arguments, &result);
}

/* --- the files --- */

static int open_descriptor(int pid, int descriptor) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/fd/%d", proc_live_thread(pid), descriptor);
    return open(path, O_WRONLY | O_CLOEXEC);
}

static bool write_all(int file, const void *bytes, size_t size) {
    while (size) {
        ssize_t written = write(file, bytes, size);
        if (written <= 0)
            return false;
        bytes = (const char *)bytes + written;
        size -= (size_t)written;
    }
    return true;
}

static bool copy_library(const char *path, int to) {
    char bytes[65536];
    int from = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = -1;
    while (from >= 0 && (length = read(from, bytes, sizeof bytes)) > 0 && write_all(to, bytes, (size_t)length))
        ;
    if (from >= 0)
        close(from);
    return length == 0;
}

/* A file of the target in memory, which it may execute; its number there, or -1. Older kernels do not know the
 * second flag, and do not need it. */
static int make_file(struct visit *visit, struct work *work, const char *name) {
    static const uint64_t flags[] = {MEMFD_CLOSE_ON_EXEC | MEMFD_EXECUTE, MEMFD_CLOSE_ON_EXEC};
    long result = -EINVAL;
    for (int i = 0; i < 2 && result == -EINVAL; i++) {
        const uint64_t arguments[6] = {visit_text(visit, name), flags[i]};
        if (!arguments[0] || !visit_call(visit, SYS_memfd_create, arguments, &result)) {
            snprintf(work->failure, sizeof work->failure, "%s", no_thread);
            return -1;
        }
    }
    if (result < 0)
        fail(work, "making a file in memory", result);
    return result < 0 ? -1 : (int)result;
}

static bool fill_library(struct work *work) {
    int file = open_descriptor(work->attachment->pid, work->descriptor);
    bool done = file >= 0 && copy_library(work->attachment->library, file);
    if (!done)
        snprintf(work->failure, sizeof work->failure, "copying the library into it: %s", strerror(errno));
    if (file >= 0)
        close(file);
    return done;
}

/* The first page is the code, the second the words. */
static bool fill_door(struct work *work, int descriptor) {
    unsigned char pages[2 * PAGE] = {0};
    struct door_code code = door_code();
    _Static_assert(sizeof(struct door) <= PAGE, "the words fit into a page");
    memcpy(pages, code.bytes, code.size);
    memcpy(pages + PAGE, &work->words.door, sizeof work->words.door);
    int file = open_descriptor(work->attachment->pid, descriptor);
    bool done = file >= 0 && write_all(file, pages, sizeof pages);
    if (!done)
        snprintf(work->failure, sizeof work->failure, "writing into a file of it: %s", strerror(errno));
    if (file >= 0)
        close(file);
    return done;
}

static remote_address map_page(struct visit *visit, struct work *work, int descriptor, int protection, uint64_t offset) {
    const uint64_t arguments[6] = {0, PAGE, (uint64_t)protection, MAP_PRIVATE, (uint64_t)descriptor, offset};
    long result;
    return call(visit, work, "mapping a page of code", SYS_mmap, arguments, &result) ? (remote_address)result : 0;
}

/* The same in the folder. */
static int open_file(struct visit *visit, struct work *work, const char *name) {
    char path[128];
    int file = attach_folder_create(&work->folder, name);
    if (file >= 0)
        close(file);
    snprintf(path, sizeof path, "%s/%s", work->folder.path, name);
    const uint64_t arguments[6] = {(uint64_t)AT_FDCWD, visit_text(visit, path), O_RDONLY | O_CLOEXEC};
    long result;
    return call(visit, work, "opening a file", SYS_openat, arguments, &result) ? (int)result : -1;
}

static bool make_library(struct visit *visit, struct work *work) {
    if (work->folder.path[0]) {
        work->words.door.descriptor = UINT32_MAX;
        snprintf(work->words.door.path, sizeof work->words.door.path, "%.40s/%s", work->folder.path, AGENT_LIBRARY);
        return true;
    }
    work->descriptor = make_file(visit, work, AGENT_LIBRARY);
    if (work->descriptor < 0 || !fill_library(work))
        return false;
    work->words.door.descriptor = (uint32_t)work->descriptor;
    snprintf(work->words.door.path, sizeof work->words.door.path, "/proc/self/fd/%d", work->descriptor);
    return true;
}

static bool make_door(struct visit *visit, struct work *work) {
    bool in_memory = !work->folder.path[0];
    int file = in_memory ? make_file(visit, work, DOOR_NAME) : open_file(visit, work, DOOR_NAME);
    if (file < 0)
        return false;
    if (fill_door(work, file)) {
        work->code = map_page(visit, work, file, PROT_READ | PROT_EXEC, 0);
        work->data = work->code ? map_page(visit, work, file, PROT_READ | PROT_WRITE, PAGE) : 0;
    }
    close_descriptor(visit, file);
    return work->data != 0;
}

/* The words last: by them somebody else would know the page of code. */
static bool clean(struct visit *visit, struct work *work) {
    if (!unmap(visit, work->code))
        return false;
    work->code = 0;
    if (!unmap(visit, work->data))
        return false;
    work->data = 0;
    close_descriptor(visit, work->descriptor);
    work->descriptor = -1;
    return true;
}

/* --- what others left behind --- */

static bool is_left_descriptor(int pid, int descriptor) {
    char path[64], link[128];
    snprintf(path, sizeof path, "/proc/%d/fd/%d", proc_live_thread(pid), descriptor);
    ssize_t length = readlink(path, link, sizeof link - 1);
    link[length > 0 ? length : 0] = '\0';
    return strncmp(link, "/memfd:" AGENT_LIBRARY, sizeof "/memfd:" AGENT_LIBRARY - 1) == 0 ||
           strncmp(link, "/memfd:" DOOR_NAME, sizeof "/memfd:" DOOR_NAME - 1) == 0;
}

static bool is_door(const struct memory_segment *segment) {
    const char *name = strstr(segment->path, DOOR_NAME);
    return name && name > segment->path && (name[-1] == ':' || name[-1] == '/');
}

/* Whether a door that somebody was killed at may still be called, or is at work. */
static bool is_in_use(const struct work *work, const struct memory_segment *data) {
    uint32_t state;
    return pending_count(&work->attachment->pending, data->begin) != 0 ||
           !memory_read(work->attachment->memory, data->begin, sizeof state, &state) || state == DOOR_ENTERED;
}

/* The words of the door that a page of code belongs to; NULL: nobody got so far as to map them, let alone use them. */
static const struct memory_segment *data_of(const struct maps *maps, const struct memory_segment *page) {
    for (size_t i = 0; i < maps->count; i++)
        if (is_door(&maps->segments[i]) && (maps->segments[i].flags & SEGMENT_WRITE) &&
            maps->segments[i].inode == page->inode)
            return &maps->segments[i];
    return NULL;
}

static bool has_door(const struct memory *memory) {
    for (size_t i = 0; i < memory->segment_count; i++)
        if (is_door(&memory->segments[i]))
            return true;
    return false;
}

/* Unmaps the pages of doors that are out of use, of code or of words; true if all are. */
static bool unmap_doors(struct visit *visit, const struct work *work, const struct maps *maps, uint32_t flag) {
    bool all = true;
    for (size_t i = 0; i < maps->count; i++) {
        const struct memory_segment *page = &maps->segments[i];
        if (!is_door(page) || !(page->flags & flag))
            continue;
        const struct memory_segment *data = data_of(maps, page);
        if (data && is_in_use(work, data))
            all = false;
        else
            unmap(visit, page->begin);
    }
    return all;
}

static bool has_library(const struct maps *maps) {
    for (size_t i = 0; i < maps->count; i++)
        if (attach_is_library(&maps->segments[i]))
            return true;
    return false;
}

/* A library must not be loaded twice: nobody else may be about to load it.
 *
 * What is mapped where is read again: another visitor may have tidied up since, and other things may lie there. */
static void tidy(struct visit *visit, struct work *work) {
    struct arena arena = {0};
    struct maps maps;
    if (work->attachment->entry && !work->left_count && !has_door(work->attachment->memory))
        return;
    struct error *error = maps_read(visit->pid, &arena, &maps);
    bool any = error || !unmap_doors(visit, work, &maps, SEGMENT_EXECUTE) || !unmap_doors(visit, work, &maps, SEGMENT_WRITE);
    if (!error && !work->attachment->entry && (any || has_library(&maps)))
        work->obstacle = "is being visited by another caulk";
    error_discard(error);
    arena_deinit(&arena);
    for (size_t i = 0; !any && i < work->left_count; i++)
        if (is_left_descriptor(work->attachment->pid, work->left[i]))
            close_descriptor(visit, work->left[i]);
}

/* --- the stops --- */

static void schedule(struct visit *visit, void *context) {
    struct work *work = context;
    struct attachment *attachment = work->attachment;
    work->obstacle = pending_obstacle(&attachment->pending);
    if (work->obstacle)
        return;
    tidy(visit, work);
    if (work->obstacle)
        return;
    if ((attachment->entry || make_library(visit, work)) && make_door(visit, work)) {
        work->calls[0].function = work->code;
        work->calls[0].argument = work->calls[1].argument = work->data;
        work->scheduled = pending_push(&attachment->pending, work->calls, 2);
        if (!work->scheduled)
            snprintf(work->failure, sizeof work->failure, "its pending calls could not be written");
    }
    if (!work->scheduled)
        clean(visit, work);
}

/* Another visitor may have taken the pages away, if we were very late. */
static bool is_own(const struct work *work) {
    uint64_t token;
    return memory_read(work->attachment->memory, work->data + offsetof(struct door, token), sizeof token, &token) &&
           token == work->words.door.token;
}

/* Both calls have left the queue: the code has returned. Its thread has closed the library. */
static void finish(struct visit *visit, void *context) {
    struct work *work = context;
    work->descriptor = -1;
    work->finished = pending_count(&work->attachment->pending, work->data) == 0 && (!is_own(work) || clean(visit, work));
}

static void withdraw(struct visit *visit, void *context) {
    struct work *work = context;
    work->finished = pending_count(&work->attachment->pending, work->data) == 2 &&
                     pending_remove(&work->attachment->pending, work->data);
    if (work->finished)
        clean(visit, work);
}

/* A main thread that waits for a lock of Python's makes pending calls when its wait is interrupted (acquire_timed in
 * Modules/_threadmodule.c), and waits on. */
static void wake(struct visit *visit, void *context) {
    struct work *work = context;
    enum { LOCK_CODE_BYTES = 1024 };
    struct inject_caller caller = {work->words.lock, work->words.lock + LOCK_CODE_BYTES};
    if (work->words.lock)
        inject_end_wait(visit->pid, work->attachment->memory, caller);
}

static struct error *visit(struct work *work, visit_action action) {
    double deadline = stop_clock() + 10;
    return visit_process(work->attachment->pid, &work->injector, deadline, action, work,
                         &work->attachment->report->paused_ms);
}

static void rest(long milliseconds) {
    nanosleep(&(struct timespec){.tv_nsec = milliseconds * 1000000}, NULL);
}

/* Until the door's code was left. A flag of the target that asks its threads to look may be lost: nobody computes
 * it under a lock until 3.12. */
static bool wait_for_door(struct work *work) {
    struct attachment *attachment = work->attachment;
    double begin = stop_clock();
    bool asks = attachment->pending.layout->interpreter_breaker != UINT32_MAX;
    bool wakes = attachment->pending.layout->main_thread_only;
    for (long tries = 0; stop_clock() < attachment->deadline; tries++) {
        uint32_t state;
        if (!memory_read(attachment->memory, work->data, sizeof state, &state))
            return false;
        if (state == DOOR_DONE) {
            attachment->report->waited_ms = (stop_clock() - begin) * 1e3;
            return true;
        }
        if (asks && state == DOOR_WAITS && tries % 32 == 31)
            pending_signal(&attachment->pending, attachment->pending.layout->breaker_bit);
        if (wakes && state == DOOR_WAITS && tries % 64 == 40)
            error_discard(visit(work, wake));
        rest(tries < 20 ? 1 : 5);
    }
    return false;
}

/* Waits for 13 seconds in all: each time twice as long. Pages that cannot be taken away then are found by the next visitor. */
static struct error *leave(struct work *work, visit_action action) {
    for (int i = 0; i < LEAVE_TRIES && !work->finished; i++) {
        for (int j = 0; action == finish && j < 50 && pending_count(&work->attachment->pending, work->data) != 0; j++)
            rest(1 << i);
        TRY(visit(work, action));
    }
    return NULL;
}

static const char *refuse(struct work *work) {
    struct live_conditions conditions;
    live_conditions_read_few(work->attachment->pid, &conditions);
    if (!door_code().size || !injector_find(work->attachment->memory, &work->injector))
        return "there is no way to make it do system calls";
    if (conditions.shadow_stack)
        return "it runs with a shadow stack, which forbids calls from outside";
    if (conditions.main_thread_ended && work->attachment->pending.layout->main_thread_only)
        return "its main thread has ended, and no other makes pending calls";
    const char *refusal = attach_door_words(work->attachment, &work->words);
    work->calls[1].function = work->words.harmless;
    return refusal;
}

static void find_left(struct work *work) {
    for (int descriptor = 3; descriptor < 1024 && work->left_count < LEFT_MAX; descriptor++)
        if (is_left_descriptor(work->attachment->pid, descriptor))
            work->left[work->left_count++] = descriptor;
}

static struct error *try_to_schedule(struct work *work) {
    for (long tries = 0; !work->scheduled && !work->failure[0]; tries++) {
        if (tries && stop_clock() > work->attachment->deadline)
            break;
        if (tries)
            rest(tries < 50 ? 1 : 20);
        if (tries && !work->attachment->entry) { /* another visitor may have loaded it */
            TRY(attach_prepare(work->attachment));
            work->words.door.entry = work->attachment->entry;
        }
        TRY(visit(work, schedule));
    }
    return NULL;
}

static struct error *take_result(struct work *work, struct attach_result *out) {
    struct door door;
    if (!memory_read(work->attachment->memory, work->data, sizeof door, &door))
        return error_create(STATUS_NO_TARGET, "process %d ended while the sampler was loaded into it",
                            work->attachment->pid);
    out->called = door.entry != 0;
    out->value = door.result;
    door.message[sizeof door.message - 1] = '\0';
    if (!out->called)
        snprintf(out->message, sizeof out->message, "loading the library in it: %s",
                 door.message[0] ? door.message : "no reason was given");
    return leave(work, finish);
}

static struct error *give_up(struct work *work, struct attach_result *out) {
    TRY(leave(work, withdraw));
    if (work->finished) {
        attach_door_describe_wait(work->attachment, out->message, sizeof out->message);
        return NULL;
    }
    work->attachment->deadline = stop_clock() + 20;
    if (wait_for_door(work)) /* it has just begun */
        return take_result(work, out);
    return error_create(STATUS_BUSY, "process %d began to load the sampler and has not come back yet; look again later",
                        work->attachment->pid);
}

static bool use_folder(struct work *work) {
    const struct attachment *attachment = work->attachment;
    return attach_folder_make(attachment->pid, &work->folder) &&
           (attachment->entry || attach_folder_copy(&work->folder, attachment->library, AGENT_LIBRARY));
}

static struct error *schedule_somehow(struct work *work) {
    bool in_folder = !work->attachment->entry && attach_door_lacks_proc(work->attachment->pid) && use_folder(work);
    TRY(try_to_schedule(work));
    if (work->scheduled || !work->failure[0] || in_folder || !use_folder(work))
        return NULL;
    work->failure[0] = '\0';
    return try_to_schedule(work);
}

static struct error *run(struct work *work, struct attach_result *out) {
    TRY(schedule_somehow(work));
    if (!work->scheduled) {
        snprintf(out->message, sizeof out->message, "%s%s", work->failure[0] ? "" : "it ",
                 work->failure[0] ? work->failure : work->obstacle);
        return NULL;
    }
    return wait_for_door(work) ? take_result(work, out) : give_up(work, out);
}

struct error *attach_by_door(struct attachment *attachment, struct attach_result *out) {
    struct work work = {.attachment = attachment, .descriptor = -1, .folder = {.parent = -1, .folder = -1}};
    const char *refusal = refuse(&work);
    *out = (struct attach_result){0};
    if (refusal) {
        snprintf(out->message, sizeof out->message, "%s", refusal);
        return NULL;
    }
    find_left(&work);
    if (getrandom(&work.words.door.token, sizeof work.words.door.token, 0) < 0)
        return error_from_errno(STATUS_INTERNAL, "loading the sampler into process %d", attachment->pid);
    struct error *error = run(&work, out);
    attach_folder_remove(&work.folder);
    return error;
}
