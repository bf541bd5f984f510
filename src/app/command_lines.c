/* caulk lines: a program's source, line by line, with what each line allocated. */
#include "app/command.h"
#include "app/output.h"
#include "app/own_lines.h"
#include "app/recordings.h"
#include "app/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct option_rule options[] = {
    {"python", 0, OPTION_TEXT, COMMAND_OPTION(python), "PY", "run the script by this Python (python3)", 0, 0},
    {"interval", 0, OPTION_WHOLE, COMMAND_OPTION(interval), "BYTES", "one sample for so many bytes (1: every byte)", 1, 1e12},
    {"budget", 0, OPTION_REAL, COMMAND_OPTION(budget), "PERCENT",
     "what samples may cost of a CPU, then they become fewer; 100: any (1)", 0.001, 100},
    {"native", 0, OPTION_FLAG, COMMAND_OPTION(native), NULL, "watch malloc and mmap too", 0, 0},
    {"native-stacks", 0, OPTION_FLAG, COMMAND_OPTION(native_stacks), NULL, "... and tell which C functions asked", 0, 0},
    {"all", 'a', OPTION_FLAG, COMMAND_OPTION(all), NULL, "show every line of the file", 0, 0},
    {"limit", 'l', OPTION_WHOLE, COMMAND_OPTION(limit), "N", "files that are shown (5)", 1, 100000},
    {"output", 'o', OPTION_TEXT, COMMAND_OPTION(output), "FILE", "keep the recording", 0, 0},
    {"json", 0, OPTION_TEXT, COMMAND_OPTION(json), "FILE", "write JSON; - for standard output", 0, 0},
    {0},
};

static struct error *print(struct source_view *views, size_t count, const struct choices *choices) {
    if (choices->json) {
        struct output output;
        TRY(output_open(choices->json, &output));
        report_lines_json(views, count, output.file);
        return output_close(&output);
    }
    report_lines_text(views, count, choices->all, stdout, output_colour());
    return NULL;
}

static struct error *show(const struct recordings *recordings, const char *first, const struct choices *choices,
                          struct arena *arena) {
    struct samples all;
    size_t count;
    if (!recordings->count)
        return error_create(STATUS_NOT_PYTHON, "lines: no Python was seen in %s", choices->operands[0]);
    recordings_merge(recordings, arena, &all);
    struct source_view *views = own_views(&all, first, arena, &count);
    if (!count)
        return error_create(STATUS_INCONCLUSIVE, "lines: nothing was sampled in %s; a smaller --interval may help",
                            choices->operands[0]);
    return print(views, count < (size_t)choices->limit ? count : (size_t)choices->limit, choices);
}

static struct error *show_file(const struct choices *choices, struct arena *arena) {
    struct recordings recordings;
    if (choices->operand_count > 1)
        return error_create(STATUS_USAGE, "lines: a recording takes no further words");
    TRY(recordings_read_file(choices->operands[0], arena, &recordings));
    return show(&recordings, NULL, choices, arena);
}

/* The table comes when the program has ended, and its output before it. */
static struct error *show_program(const struct choices *choices, struct arena *arena, int *status_out) {
    struct recordings recordings;
    struct choices run = *choices;
    run.quiet = true;
    run.json = NULL;
    run.watch = 0;
    TRY(run_and_record(&run, arena, &recordings, status_out));
    char *first = realpath(choices->operands[0], NULL);
    struct error *error = show(&recordings, first, choices, arena);
    free(first);
    return error;
}

static struct error *run(const struct choices *choices, int *status_out) {
    struct arena arena = {0};
    int wait_status = 0;
    bool recorded = recordings_recognise(choices->operands[0]);
    struct error *error = recorded ? show_file(choices, &arena) : show_program(choices, &arena, &wait_status);
    arena_deinit(&arena);
    if (error || recorded)
        return error;
    fflush(NULL);
    *status_out = program_pass_on(wait_status);
    return NULL;
}

const struct command command_lines = {
    .name = "lines",
    .summary = "a program's source, line by line, with what each line allocated",
    .operands = "FILE.py [words] | RECORDING",
    .details = "Runs the program and counts every allocation, then shows the lines of your files that allocated: bytes and\n"
               "objects in all, bytes at the moment when the program held most, bytes alive at the end. What library code\n"
               "allocates counts for the line of yours that called it. Where several expressions of a line allocated, the\n"
               "one that held most at the peak is underlined (CPython 3.11 on). Also takes -m MODULE, any program that runs Python,\n"
               "and the recordings that caulk run -o keeps. The exit status is the program's.",
    .examples = "  caulk lines app.py\n"
                "  caulk lines --all app.py --orders 1000\n"
                "  caulk run -o run.caulkrec app.py; caulk lines run.caulkrec\n",
    .options = options,
    .defaults = {.interval = 1, .limit = 5},
    .operands_least = 1,
    .operands_most = (size_t)-1,
    .runs_program = true,
    .takes_file = recordings_recognise,
    .run = run,
};
