/* caulk run: starts a program with the sampler in it, and says at its end what it leaked and who held memory. */
#include "app/agent_library.h"
#include "app/command.h"
#include "app/output.h"
#include "app/program.h"
#include "app/progress.h"
#include "app/run_report.h"
#include "base/text.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct option_rule options[] = {
    {"python", 0, OPTION_TEXT, COMMAND_OPTION(python), "PY", "run scripts and modules by this Python (python3)", 0, 0},
    {"interval", 0, OPTION_WHOLE, COMMAND_OPTION(interval), "BYTES", "one sample for so many bytes (524288)", 1, 1e12},
    {"every-byte", 0, OPTION_FLAG, COMMAND_OPTION(every_byte), NULL, "count every allocation: exact, and slower", 0, 0},
    {"native", 0, OPTION_FLAG, COMMAND_OPTION(native), NULL, "watch malloc and mmap too", 0, 0},
    {"watch", 'w', OPTION_REAL, COMMAND_OPTION(watch), "S", "a snapshot every S seconds, for the verdict; 0: none (2)", 0,
     604800},
    {"output", 'o', OPTION_TEXT, COMMAND_OPTION(output), "FILE", "keep the recording, for caulk lines", 0, 0},
    {"json", 0, OPTION_TEXT, COMMAND_OPTION(json), "FILE", "write the report as JSON; - for standard output", 0, 0},
    {"limit", 'l', OPTION_WHOLE, COMMAND_OPTION(limit), "N", "lines of the table of the peak (10)", 1, 100000},
    {"quiet", 'q', OPTION_FLAG, COMMAND_OPTION(quiet), NULL, "print nothing of its own", 0, 0},
    {0},
};

enum { SETTINGS_MOST = 3 };

struct run {
    const struct choices *choices;
    struct arena arena;
    const char *folder; /* private, for the recordings */
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

static struct error *make_folder(struct run *run) {
    char *folder = arena_format(&run->arena, "%s/caulk-run-XXXXXX", temporary_root());
    if (!mkdtemp(folder))
        return error_from_errno(STATUS_OUTPUT, "run: a folder for the recordings, %s", folder);
    run->folder = folder;
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
    run->settings[1] = arena_format(&run->arena, "CAULK_AGENT=file=%s/%%p.%s interval=%.0f%s", run->folder, WIRE_NAME,
                                    choices->every_byte ? 1 : choices->interval, choices->native ? " native=1" : "");
    return NULL;
}

static const char *note_of(const struct recordings *recordings, struct arena *arena) {
    if (recordings->damaged)
        return arena_format(arena, "%zu recordings could not be read", recordings->damaged);
    if (recordings->count)
        return NULL;
    return "no Python was seen: the program is none, clears its environment, or is linked statically";
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
static struct error *report(const struct run *run) {
    const struct choices *choices = run->choices;
    struct arena arena = {0};
    struct recordings recordings;
    struct run_report filled = {0};
    recordings_read_folder(run->folder, &arena, &recordings);
    run_report_fill(&recordings, &run->watch, &arena, &filled);
    fill_end(run, &filled);
    const char *note = note_of(&recordings, &arena);
    filled.notes = &note;
    filled.note_count = note != NULL;
    struct error *error = NULL;
    if (choices->output && recordings.count) {
        error = recordings_write(&recordings, choices->output);
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

static void attend(struct run *run) {
    double rest = 0;
    for (;;) {
        enum program_event event = program_wait(&run->program, rest);
        if (event == PROGRAM_ENDED)
            return;
        rest = run_watch_step(&run->watch, event == PROGRAM_REPORT_WANTED);
        if (event == PROGRAM_REPORT_WANTED)
            complain(report(run));
    }
}

static struct error *run_program(struct run *run) {
    const struct choices *choices = run->choices;
    TRY(make_settings(run));
    run->started = progress_now();
    TRY(program_start(run->words, run->settings, &run->program));
    run_watch_open(&run->watch, run->folder, wants_verdict(choices) ? choices->watch : 0);
    attend(run);
    struct error *error = report(run);
    run_watch_close(&run->watch);
    program_close(&run->program);
    return error;
}

/* The program's end is caulk's, whatever became of the report. */
static struct error *run_command(const struct choices *choices, int *status_out) {
    struct run run = {.choices = choices};
    if (!getcwd(run.working, sizeof run.working))
        run.working[0] = 0;
    struct error *error =
        program_words(choices->operands, choices->operand_count, choices->python, &run.arena, &run.words);
    if (!error)
        error = make_folder(&run);
    if (!error)
        error = run_program(&run);
    if (run.folder)
        remove_folder(run.folder);
    arena_deinit(&run.arena);
    if (run.program.ended) {
        complain(error);
        fflush(NULL);
        *status_out = program_pass_on(run.program.wait_status);
        return NULL;
    }
    return error;
}

const struct command command_run = {
    .name = "run",
    .summary = "start a program with the sampler in it: which line made what, and what leaks",
    .operands = "PROGRAM [words]",
    .details = "Runs a Python script, -m MODULE, -c CODE, or any program that runs Python (gunicorn, celery, pytest), and its\n"
               "children. At the end, or on SIGUSR2 to caulk, it prints to standard error who held memory at the peak, by\n"
               "line, and a verdict on what leaks if the program ran for some seconds. All words after PROGRAM are the\n"
               "program's; a word of its own before it needs --. The exit status, or the signal, is the program's.",
    .examples = "  caulk run app.py --port 8000\n"
                "  caulk run -m pytest tests/test_orders.py\n"
                "  caulk run -o run.caulkrec gunicorn -w 2 shop:application\n"
                "  caulk run --every-byte -- -X dev app.py\n",
    .options = options,
    .defaults = {.interval = 524288, .watch = 2, .limit = 10},
    .operands_least = 1,
    .operands_most = (size_t)-1,
    .runs_program = true,
    .run = run_command,
};
