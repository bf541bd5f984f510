/* Puts the conditions of a process into words: what works, what is limited, what does not work and what to do. */
#include "app/doctor.h"

#include "cpython/layout.h"
#include "report/words.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* Measured on heaps of small objects, on the cautious side: fork, copy while it stands still, snapshot file. */
static const double fork_seconds_per_byte = 0.020 / 1e9, huge_seconds_per_byte = 0.001 / 1e9,
                    copy_seconds_per_byte = 1.2 / 1e9, file_bytes_per_byte = 0.06;

static struct doctor_check *add(struct doctor_checks *checks, const char *name, enum doctor_verdict verdict,
                                const char *format, ...) __attribute__((format(printf, 4, 5)));

static struct doctor_check *add(struct doctor_checks *checks, const char *name, enum doctor_verdict verdict,
                                const char *format, ...) {
    struct doctor_check *check = &checks->items[checks->count < DOCTOR_CHECKS_MAX - 1 ? checks->count++ : checks->count];
    *check = (struct doctor_check){.name = name, .verdict = verdict};
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(check->reason, sizeof check->reason, format, arguments);
    va_end(arguments);
    return check;
}

static void advise(struct doctor_check *check, const char *remedy) {
    snprintf(check->remedy, sizeof check->remedy, "%s", remedy);
}

/* The message of an error has the reason first and, after a semicolon, the remedy. */
static void add_error(struct doctor_checks *checks, const char *name, const struct error *error, const char *remedy) {
    const char *end = strstr(error->message, "; ");
    struct doctor_check *check = add(checks, name, DOCTOR_NO, "%.*s",
                                     (int)(end ? end - error->message : (long)strlen(error->message)), error->message);
    advise(check, end ? end + 2 : remedy);
    checks->works = false;
    checks->status = (int)error->status;
}

static bool has_ended(const struct live_conditions *conditions) {
    return conditions->state == 'Z' || conditions->state == 'X';
}

/* --- may it be read at all --- */

static void check_process(const struct doctor_facts *facts, struct doctor_checks *checks) {
    const struct error *error = facts->open_error;
    bool gone = !facts->conditions.state;
    if (error && (gone || error->status == STATUS_USAGE || error->status == STATUS_NOT_PYTHON ||
                  (error->status == STATUS_NO_TARGET && !has_ended(&facts->conditions)))) {
        add_error(checks, "process", error, "look with: pgrep -a python");
        return;
    }
    char command[400];
    snprintf(command, sizeof command, "%.399s", facts->identity.command);
    for (char *letter = command; *letter; letter++)
        if (*letter == '\x1f')
            *letter = ' ';
    add(checks, "process", DOCTOR_OK, "it runs %s", *command ? command : facts->identity.executable);
}

static void check_state(const struct doctor_facts *facts, struct doctor_checks *checks) {
    char state = facts->conditions.state;
    if (facts->open_error && has_ended(&facts->conditions))
        add_error(checks, "state", facts->open_error, "");
    else if (state == 'T')
        advise(add(checks, "state", DOCTOR_LIMITED, "stopped by a signal: its heap can be read, but nothing in it grows"),
               "kill -CONT it");
    else if (facts->conditions.main_thread_ended)
        add(checks, "state", DOCTOR_OK, "its main thread has ended, others live: it is read and forked by way of one of them");
    else
        add(checks, "state", DOCTOR_OK, "it runs");
}

static void check_tracer(const struct doctor_facts *facts, struct doctor_checks *checks) {
    if (facts->open_error && facts->open_error->status == STATUS_BUSY)
        add_error(checks, "tracer", facts->open_error, "end the debugger, strace or profiler that holds it");
    else
        add(checks, "tracer", DOCTOR_OK, "nobody traces it");
}

static void check_permission(const struct doctor_facts *facts, struct doctor_checks *checks) {
    if (facts->open_error && facts->open_error->status == STATUS_PERMISSION)
        add_error(checks, "permission", facts->open_error, "ask the administrator");
    else if (!facts->conditions.readable)
        add(checks, "permission", has_ended(&facts->conditions) ? DOCTOR_UNKNOWN : DOCTOR_NO, "its memory cannot be opened");
    else
        add(checks, "permission", DOCTOR_OK, "it may be read and traced (%s)",
            geteuid() == 0 ? "root" : facts->conditions.own_user ? "the same user" : "by capability");
}

static void check_bits(const struct doctor_facts *facts, struct doctor_checks *checks) {
    if (facts->open_error && facts->open_error->status == STATUS_UNSUPPORTED)
        add_error(checks, "program", facts->open_error, "run the program with a 64-bit Python");
    else if (facts->open_error)
        add(checks, "program", DOCTOR_UNKNOWN, "not looked at");
    else
        add(checks, "program", DOCTOR_OK, "a 64-bit program");
}

static void check_namespaces(const struct live_conditions *conditions, struct doctor_checks *checks) {
    if (!conditions->other_processes && !conditions->other_mounts && !conditions->other_users) {
        add(checks, "namespaces", DOCTOR_OK, "the same as here");
        return;
    }
    add(checks, "namespaces", DOCTOR_OK, "it lives in other ones, a container for instance (%s%s%s): no hindrance",
        conditions->other_processes ? "processes " : "", conditions->other_mounts ? "mounts " : "",
        conditions->other_users ? "users " : "");
}

static void check_files(const struct live_conditions *conditions, struct doctor_checks *checks) {
    bool direct = conditions->mapped_files_closed == 0;
    char words[600] = "";
    if (conditions->deleted_files)
        snprintf(words, sizeof words, "; %d deleted or replaced since it started, such as %.300s",
                 conditions->deleted_files, conditions->deleted_file);
    if (direct || !conditions->deleted_files)
        add(checks, "files", DOCTOR_OK, "its program files are read by way of %s%s",
            direct ? "/proc/PID/map_files" : "their paths below /proc/PID/root", words);
    else
        advise(add(checks, "files", DOCTOR_LIMITED, "its program files are read by their paths%s", words),
               "if Python is not found, use sudo: root reads deleted files too");
}

/* --- Python --- */

static void check_python(const struct doctor_facts *facts, struct doctor_checks *checks) {
    if (facts->python_error) {
        add_error(checks, "python", facts->python_error, "");
        return;
    }
    const struct python_process *process = &facts->process;
    uint32_t row = process->layout->version;
    bool library = strstr(process->library->path, ".so") != NULL;
    const char *build = process->layout->build & LAYOUT_FREE_THREADED ? ", a free-threaded build"
                        : process->layout->build & LAYOUT_DEBUG       ? ", a debug build"
                                                                      : "";
    add(checks, "python", DOCTOR_OK, "CPython %s%s, in the %s %.300s; layout of %u.%u.%u, and its structures fit",
        process->version_text, build, library ? "library" : "executable", process->library->path, row >> 24,
        row >> 16 & 0xff, row >> 8 & 0xff);
}

static void check_interpreters(const struct doctor_facts *facts, struct doctor_checks *checks) {
    size_t count = facts->process.interpreter_count;
    if (count >= PROCESS_INTERPRETERS_MAX)
        add(checks, "interpreters", DOCTOR_LIMITED, "only the first %zu are seen", count);
    else
        add(checks, "interpreters", DOCTOR_OK, "%zu", count);
}

static int read_integer(const struct memory *memory, remote_address address) {
    int32_t value;
    return memory_read(memory, address, sizeof value, &value) ? value : -1;
}

static void check_collector(const struct doctor_facts *facts, struct doctor_checks *checks) {
    const struct layout *layout = facts->process.layout;
    const struct memory *memory = facts->memory;
    remote_address gc = facts->process.interpreters[0] + layout->interpreter_gc, word = 0;
    if (layout->gc_enabled == LAYOUT_NONE || layout->gc_generation_threshold == LAYOUT_NONE) {
        add(checks, "collector", DOCTOR_UNKNOWN, "this Python does not show its settings");
        return;
    }
    int threshold[3];
    for (uint32_t i = 0; i < 3; i++)
        threshold[i] = read_integer(memory, gc + layout->gc_generations + i * layout->gc_generation_size +
                                                layout->gc_generation_threshold);
    bool working = python_process_collecting(&facts->process, &word, 1) && read_integer(memory, word) == 1;
    const char *now = working ? "; it is at work now, a picture waits for its end" : "";
    if (read_integer(memory, gc + layout->gc_enabled) == 0)
        advise(add(checks, "collector", DOCTOR_LIMITED,
                   "switched off (gc.disable): cycles stay until somebody collects them, and count as waiting%s", now),
               "gc.enable(), unless that is on purpose");
    else if (threshold[0] == 0)
        advise(add(checks, "collector", DOCTOR_LIMITED,
                   "on, but its first threshold is 0, so it never starts: cycles stay and count as waiting%s", now),
               "gc.set_threshold(700), unless that is on purpose");
    else
        add(checks, "collector", DOCTOR_OK, "on, thresholds %d, %d, %d%s", threshold[0], threshold[1], threshold[2], now);
}

/* --- the picture --- */

static void check_threads(const struct live_conditions *conditions, struct doctor_checks *checks) {
    if (conditions->threads_stuck)
        advise(add(checks, "threads", DOCTOR_LIMITED,
                   "%d, of which %d wait for a disk or a vfork at this moment: a picture waits for them, 10 s at most",
                   conditions->threads, conditions->threads_stuck),
               "if caulk gives up, try again when the disk is quiet");
    else
        add(checks, "threads", DOCTOR_OK, "%d, none in a wait that cannot be interrupted", conditions->threads);
}

static void check_picture(const struct live_conditions *conditions, struct doctor_checks *checks) {
    const char *reason = live_conditions_against_picture(conditions);
    if (reason)
        advise(add(checks, "picture", DOCTOR_LIMITED, "%s: it is copied while it stands still, as with --pause", reason),
               "nothing, if the pause below can be afforded");
    else
        add(checks, "picture", DOCTOR_OK, "it can be forked, so that it stands still for the fork only");
}

static void check_pause(const struct live_conditions *conditions, struct doctor_checks *checks) {
    uint64_t huge = conditions->huge < conditions->resident ? conditions->huge : conditions->resident;
    double fork = 1 + 1e3 * (fork_seconds_per_byte * (double)(conditions->resident - huge) +
                             huge_seconds_per_byte * (double)huge);
    double copy = 1 + 1e3 * copy_seconds_per_byte * (double)conditions->resident;
    bool picture = !live_conditions_against_picture(conditions);
    double expected = picture ? fork : copy;
    struct doctor_check *check = add(checks, "pause", expected > 1000 ? DOCTOR_LIMITED : DOCTOR_OK,
                                     "about %.0f ms per snapshot for %s resident", expected,
                                     words_bytes(conditions->resident).text);
    if (expected > 1000)
        advise(check, "fewer snapshots: --snapshots 3");
}

static uint64_t room_of(const struct live_group *group) {
    return group->limit == LIVE_UNLIMITED ? UINT64_MAX : group->limit > group->used ? group->limit - group->used : 0;
}

/* The picture shares all pages until the process writes to them: at worst it rewrites everything meanwhile. */
static void check_memory(const struct live_conditions *conditions, struct doctor_checks *checks) {
    uint64_t room = room_of(&conditions->group), tables = conditions->resident / 512;
    bool grouped = room < conditions->available || !conditions->available;
    if (!grouped)
        room = conditions->available;
    struct words worst = words_bytes(conditions->anonymous + tables);
    if (room == UINT64_MAX)
        add(checks, "memory", DOCTOR_UNKNOWN, "neither a limit nor the free memory of the machine can be read");
    else if (live_conditions_against_picture(conditions))
        add(checks, "memory", DOCTOR_OK, "%s left; without a picture no pages are kept twice", words_bytes(room).text);
    else if (room < conditions->anonymous + tables)
        advise(add(checks, "memory", DOCTOR_LIMITED,
                   "%s left %s%s; pages that it changes while its picture is copied exist twice, %s at worst",
                   words_bytes(room).text, grouped ? "in its control group " : "on this machine",
                   grouped ? conditions->group.path : "", worst.text),
               "--pause keeps no page twice, at the price of a longer stop");
    else
        add(checks, "memory", DOCTOR_OK, "%s left %s for pages that it changes while its picture is copied (%s at worst)",
            words_bytes(room).text, grouped ? "in its control group" : "on this machine", worst.text);
}

static void check_address_space(const struct live_conditions *conditions, struct doctor_checks *checks) {
    if (conditions->address_space_limit == LIVE_UNLIMITED)
        return;
    add(checks, "address space", DOCTOR_OK, "%s of the %s of RLIMIT_AS are used: caulk maps nothing into it",
        words_bytes(conditions->virtual_size).text, words_bytes(conditions->address_space_limit).text);
}

/* caulk holds a copy of the pages and a graph of about their size. */
static void check_own_memory(const struct live_conditions *conditions, struct doctor_checks *checks) {
    uint64_t room = room_of(&conditions->own_group), needed = conditions->resident + conditions->resident;
    bool grouped = room < conditions->available || !conditions->available;
    if (!grouped)
        room = conditions->available;
    if (room >= needed)
        add(checks, "caulk's memory", DOCTOR_OK, "caulk needs about %s here", words_bytes(needed).text);
    else
        advise(add(checks, "caulk's memory", DOCTOR_LIMITED, "caulk needs about %s, and %s are left %s",
                   words_bytes(needed).text, words_bytes(room).text,
                   grouped ? "in its control group" : "on this machine"),
               "run caulk outside of the container, or give it more memory");
}

static void check_disk(const struct live_conditions *conditions, struct doctor_checks *checks) {
    struct statvfs disk;
    double needed = file_bytes_per_byte * (double)conditions->resident;
    if (statvfs(".", &disk) != 0) {
        add(checks, "disk", DOCTOR_UNKNOWN, "the room of this folder cannot be read");
        return;
    }
    uint64_t room = (uint64_t)disk.f_bavail * disk.f_frsize;
    struct doctor_check *check = add(checks, "disk", (double)room < needed ? DOCTOR_LIMITED : DOCTOR_OK,
                                     "a snapshot file takes about %s; %s are free in this folder",
                                     words_bytes((uint64_t)needed).text, words_bytes(room).text);
    if (check->verdict == DOCTOR_LIMITED)
        advise(check, "write it elsewhere: caulk snapshot -o /path/FILE.caulk; leaks needs no disk");
}

void doctor_examine(const struct doctor_facts *facts, struct doctor_checks *out) {
    const struct live_conditions *conditions = &facts->conditions;
    *out = (struct doctor_checks){.works = true};
    check_process(facts, out);
    if (!out->works)
        return;
    check_permission(facts, out);
    check_bits(facts, out);
    check_tracer(facts, out);
    check_state(facts, out);
    if (!facts->memory)
        return;
    check_namespaces(conditions, out);
    check_files(conditions, out);
    check_python(facts, out);
    if (!facts->python_error) {
        check_interpreters(facts, out);
        check_collector(facts, out);
    }
    check_threads(conditions, out);
    check_picture(conditions, out);
    check_pause(conditions, out);
    check_memory(conditions, out);
    check_address_space(conditions, out);
    check_own_memory(conditions, out);
    check_disk(conditions, out);
}
