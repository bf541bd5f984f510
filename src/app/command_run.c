/* caulk run: starts a program with the sampler in it, and says at its end what it leaked and who held memory. */
#include "app/command.h"
#include "app/run.h"

#include <stdio.h>

static const struct option_rule options[] = {
    {"python", 0, OPTION_TEXT, COMMAND_OPTION(python), "PY", "run scripts and modules by this Python (python3)", 0, 0},
    {"interval", 0, OPTION_WHOLE, COMMAND_OPTION(interval), "BYTES", "one sample for so many bytes (524288)", 1, 1e12},
    {"budget", 0, OPTION_REAL, COMMAND_OPTION(budget), "PERCENT",
     "what samples may cost of a CPU, then they become fewer; 100: any (1)", 0.001, 100},
    {"every-byte", 0, OPTION_FLAG, COMMAND_OPTION(every_byte), NULL, "count every allocation: exact, and slower", 0, 0},
    {"native", 0, OPTION_FLAG, COMMAND_OPTION(native), NULL, "watch malloc and mmap too", 0, 0},
    {"native-stacks", 0, OPTION_FLAG, COMMAND_OPTION(native_stacks), NULL, "... and tell which C functions asked", 0, 0},
    {"watch", 'w', OPTION_REAL, COMMAND_OPTION(watch), "S", "a snapshot every S seconds, for the verdict; 0: none (2)", 0,
     604800},
    {"output", 'o', OPTION_TEXT, COMMAND_OPTION(output), "FILE", "keep the recording, for caulk lines", 0, 0},
    {"json", 0, OPTION_TEXT, COMMAND_OPTION(json), "FILE", "write the report as JSON; - for standard output", 0, 0},
    {"limit", 'l', OPTION_WHOLE, COMMAND_OPTION(limit), "N", "lines of the table of the peak (10)", 1, 100000},
    {"quiet", 'q', OPTION_FLAG, COMMAND_OPTION(quiet), NULL, "print nothing of its own", 0, 0},
    {0},
};

static struct error *run(const struct choices *choices, int *status_out) {
    struct arena arena = {0};
    struct recordings recordings;
    int wait_status = 0;
    struct error *error = run_and_record(choices, &arena, &recordings, &wait_status);
    arena_deinit(&arena);
    if (error)
        return error;
    fflush(NULL);
    *status_out = program_pass_on(wait_status);
    return NULL;
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
    .run = run,
};
