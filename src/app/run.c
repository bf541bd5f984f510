/* Running a program with the sampler in it: the folder of its recordings, the watch, the report. */
#include "app/run.h"

#include "app/agent_library.h"
#include "app/output.h"
#include "app/progress.h"
#include "app/run_report.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SETTINGS_MOST = 3, LEAST_ROOM = 16 << 20 };

struct run {
    const struct choices *choices;
    struct arena arena;
    const char *outer;  /* what has the folder; NULL before it is there */
    const char *folder; /* for the recordings */
    char working[4096]; /* the current folder */
    char *settings[SETTINGS_MOST]; /* of the environment */
    char **words;
    struct program program;
    struct run_watch watch;
    double started;
};

/* The sampler's options are words: their paths cannot have spaces. */
static const char *temporary_root(void) {
    const char *named = getenv("TMPDIR");
    return named && *named && !strpbrk(named, " %") ? named : "/tmp";
}

static const char *unguessable_name(struct arena *arena) {
    uint64_t words[2] = {0};
    ssize_t got = getrandom(words, sizeof words, 0);
    return got == sizeof words ? arena_format(arena, "%016" PRIx64 "%016" PRIx64, words[0], words[1]) : NULL;
}

/* A program that root starts may become another user, whose processes make recordings too: they can if they know the
 * name of the folder, which nobody can list who was not told it. */
static struct error *make_folder(struct run *run) {
    char *outer = arena_format(&run->arena, "%s/caulk-run-XXXXXX", temporary_root());
    if (!mkdtemp(outer))
        return error_from_errno(STATUS_OUTPUT, "run: a folder for the recordings, %s", outer);
    run->outer = run->folder = outer;
    const char *name = geteuid() == 0 ? unguessable_name(&run->arena) : NULL;
    if (!name)
        return NULL;
    run->folder = arena_format(&run->arena, "%s/%s", outer, name);
    if (mkdir(run->folder, 0700) != 0 || chmod(run->folder, S_ISVTX | 0733) != 0 || chmod(outer, 0711) != 0)
        return error_from_errno(STATUS_OUTPUT, "run: a folder for the recordings, %s", run->folder);
    return NULL;
}

static void remove_folder(const char *folder) {
    DIR *directory = opendir(folder);
    for (struct dirent *entry; directory && (entry = readdir(directory));)
        unlinkat(dirfd(directory), entry->d_name, 0);
    if (directory)
        closedir(directory);
    rmdir(folder);
}

static struct error *make_settings(struct run *run) {
    const struct choices *choices = run->choices;
    const char *library, *before = getenv("LD_PRELOAD");
    TRY(agent_library_find(&run->arena, &library));
    if (strpbrk(library, " :"))
        return error_create(STATUS_USAGE, "run: the sampler cannot be loaded from a path with a space or colon: %s", library);
    run->settings[0] = arena_format(&run->arena, "LD_PRELOAD=%s%s%s", library, before && *before ? ":" : "",
                                    before ? before : "");
    struct error *error = recordings_make_spare(run->folder, &run->arena);
    run->settings[1] = arena_format(&run->arena, "CAULK_AGENT=file=%s/%%p.%s spare=%s/%s %s", run->folder, WIRE_NAME,
                                    run->folder, WIRE_SPARE_NAME, agent_library_words(choices).text);
    error_discard(error); /* without it such processes are counted and no more */
    return NULL;
}

static const char *note_of(const struct run *run, const struct recordings *recordings, struct arena *arena) {
    struct rlimit limit;
    struct statvfs disk;
    if (recordings->damaged)
        return arena_format(arena, "%zu %s", recordings->damaged,
                            recordings->damaged == 1 ? "recording could not be read" : "recordings could not be read");
    if (recordings->count)
        return NULL;
    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < LEAST_ROOM)
        return "nothing was recorded: files may not have the size of a recording here (ulimit -f)";
    if (statvfs(run->folder, &disk) == 0 && disk.f_bavail < LEAST_ROOM / disk.f_frsize)
        return arena_format(arena, "nothing was recorded: no room in %s (TMPDIR names another folder)", temporary_root());
    return "no Python was seen: the program is none, clears its environment, or is linked statically";
}

static const char *note_of_missing(const struct recordings *recordings, struct arena *arena) {
    size_t missing = recordings->missing;
    if (!missing)
        return NULL;
    return arena_format(arena, "%zu more %s no recording: no file could be made there (chroot, ulimit -f or -n, a full disk)",
                        missing, missing == 1 ? "process has" : "processes have");
}

static void fill_end(const struct run *run, struct run_report *out) {
    int status = run->program.wait_status;
    out->words = (const char *const *)run->choices->operands;
    out->word_count = run->choices->operand_count;
    out->seconds = progress_now() - run->started;
    out->ended = run->program.ended;
    out->exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
    out->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    out->folder = run->working;
    out->line_limit = (size_t)run->choices->limit;
}

static struct error *write_json(const struct run_report *report, const char *path) {
    struct output output;
    TRY(output_open(path, &output));
    report_run_json(report, output.file);
    return output_close(&output);
}

/* The report goes to standard error: standard output is the program's. */
static struct error *report(const struct run *run, const struct recordings *recordings) {
    const struct choices *choices = run->choices;
    struct arena arena = {0};
    struct run_report filled = {0};
    run_report_fill(recordings, &run->watch, &arena, &filled);
    fill_end(run, &filled);
    const char *notes[] = {note_of(run, recordings, &arena), note_of_missing(recordings, &arena)};
    filled.notes = notes[0] ? notes : notes + 1;
    filled.note_count = (notes[0] != NULL) + (notes[1] != NULL);
    struct error *error = NULL;
    if (choices->output && recordings->count) {
        error = recordings_write(recordings, choices->output);
        filled.recording = error ? NULL : choices->output;
    }
    if (!error && choices->json)
        error = write_json(&filled, choices->json);
    if (!choices->quiet)
        report_run_text(&filled, stderr, false);
    arena_deinit(&arena);
    return error;
}

static bool wants_verdict(const struct choices *choices) {
    return !choices->quiet || choices->json;
}

static void complain(struct error *error) {
    if (error)
        fprintf(stderr, "caulk: %s\n", error->message);
    error_discard(error);
}

static void report_now(struct run *run) {
    struct arena arena = {0};
    struct recordings recordings;
    recordings_read_folder(run->folder, &arena, &recordings);
    complain(report(run, &recordings));
    arena_deinit(&arena);
}

static void attend(struct run *run) {
    double rest = 0;
    for (;;) {
        enum program_event event = program_wait(&run->program, rest);
        if (event == PROGRAM_ENDED)
            return;
        rest = run_watch_step(&run->watch, event == PROGRAM_REPORT_WANTED);
        if (event == PROGRAM_REPORT_WANTED)
            report_now(run);
    }
}

static struct error *run_program(struct run *run, struct arena *arena, struct recordings *out) {
    const struct choices *choices = run->choices;
    TRY(make_settings(run));
    run->started = progress_now();
    TRY(program_start(run->words, run->settings, &run->program));
    run_watch_open(&run->watch, run->folder, wants_verdict(choices) ? choices->watch : 0);
    attend(run);
    recordings_read_folder(run->folder, arena, out);
    complain(report(run, out));
    run_watch_close(&run->watch);
    program_close(&run->program);
    return NULL;
}

struct error *run_and_record(const struct choices *choices, struct arena *arena, struct recordings *out,
                             int *wait_status_out) {
    struct run run = {.choices = choices};
    if (!getcwd(run.working, sizeof run.working))
        run.working[0] = 0;
    struct error *error =
        program_words(choices->operands, choices->operand_count, choices->python, &run.arena, &run.words);
    if (!error)
        error = make_folder(&run);
    if (!error)
        error = run_program(&run, arena, out);
    if (run.folder)
        remove_folder(run.folder);
    if (run.outer)
        rmdir(run.outer);
    *wait_status_out = run.program.wait_status;
    arena_deinit(&run.arena);
    return error;
}
