/* caulk leaks: the main job. Several snapshots, one verdict. */
#include "app/agent_library.h"
#include "app/children.h"
#include "app/command.h"
#include "app/join.h"
#include "app/native_lines.h"
#include "app/output.h"
#include "app/pipeline.h"
#include "report/report.h"

#include <string.h>

enum {
    OPERANDS_MAX = 64,
    DENSE_INTERVAL = 16384, /* a watch is short; the sampler takes fewer samples where so many would cost too much */
    DENSE_BUDGET = 3,       /* percent of a CPU */
};

static const struct option_rule options[] = {
    {"seconds", 's', OPTION_REAL, COMMAND_OPTION(seconds), "S", "watch a process for S seconds (30)", 0.1, 604800},
    {"snapshots", 'n', OPTION_WHOLE, COMMAND_OPTION(snapshots), "N", "take N snapshots in that time (7)", 2, 1000},
    {"lines", 0, OPTION_FLAG, COMMAND_OPTION(lines), NULL, "put the sampler in, to tell which lines allocate", 0, 0},
    {"native", 0, OPTION_FLAG, COMMAND_OPTION(native), NULL, "... and what C code takes of malloc and mmap (--lines too)", 0, 0},
    {"native-stacks", 0, OPTION_FLAG, COMMAND_OPTION(native_stacks), NULL, "... and which C functions asked (--lines too)", 0, 0},
    {"json", 0, OPTION_TEXT, COMMAND_OPTION(json), "FILE", "write the verdict as JSON; - for standard output", 0, 0},
    {"pause", 0, OPTION_FLAG, COMMAND_OPTION(pause), NULL, "copy while stopped, do not fork a picture", 0, 0},
    {"types", 0, OPTION_TEXT, COMMAND_OPTION(types), "FILE", "C types that FILE describes (~/.config/caulk/types)", 0, 0},
    {0},
};

/* A process comes last: snapshot files are older than now. */
static struct error *open_targets(const struct choices *choices, struct target *targets) {
    for (size_t i = 0; i < choices->operand_count; i++) {
        TRY(target_from_word(choices->operands[i], choices, &targets[i]));
        if (targets[i].pid && i + 1 < choices->operand_count)
            return error_create(STATUS_USAGE, "leaks: a process must come after the snapshot files it is compared with");
    }
    return NULL;
}

static struct error *print_json(const struct verdict *verdict, const char *path) {
    struct output output;
    TRY(output_open(path, &output));
    report_verdict_json(verdict, output.file);
    return output_close(&output);
}

static struct error *print_verdict(const struct verdict *verdict, const struct choices *choices, int *status_out) {
    static const int statuses[] = {
        [VERDICT_NO_LEAK] = STATUS_NO_LEAK,
        [VERDICT_LEAK] = STATUS_LEAK,
        [VERDICT_INCONCLUSIVE] = STATUS_INCONCLUSIVE,
    };
    *status_out = statuses[verdict->outcome];
    if (choices->json)
        TRY(print_json(verdict, choices->json));
    if (!choices->json || strcmp(choices->json, "-") != 0)
        report_verdict_text(verdict, stdout, output_colour());
    return NULL;
}

static uint32_t native_flags(const struct choices *choices) {
    return (choices->native || choices->native_stacks ? WIRE_NATIVE : 0) |
           (choices->native_stacks ? WIRE_NATIVE_STACKS : 0);
}

static void find_native_lines(struct verdict *verdict, struct arena *arena) {
    struct native_lines lines = {0};
    native_lines_of_verdict(&lines, verdict, arena);
    native_lines_deinit(&lines);
}

static struct error *run(const struct choices *choices, int *status_out) {
    struct target targets[OPERANDS_MAX];
    TRY(open_targets(choices, targets));
    if (native_flags(choices) && targets[0].pid)
        TRY(join_check(targets[0].pid, native_flags(choices)));
    struct agent_library_words words = agent_library_words(choices);
    struct arena arena = {0};
    struct watch watch;
    struct verdict verdict = {0};
    watch_open(&watch, targets, choices->operand_count, choices->seconds, (size_t)choices->snapshots);
    watch.lines = choices->lines || native_flags(choices);
    watch.sampler = words.text;
    struct error *error = pipeline_leaks(&watch, &arena, &verdict);
    watch_close(&watch);
    if (!error)
        children_follow(&watch, &arena, &verdict);
    children_deinit(&watch);
    if (!error)
        find_native_lines(&verdict, &arena);
    if (!error)
        error = print_verdict(&verdict, choices, status_out);
    arena_deinit(&arena);
    return error;
}

const struct command command_leaks = {
    .name = "leaks",
    .summary = "what grows in a process, who holds it, how fast (the main job)",
    .operands = "PID | FILE.caulk ... | CORE",
    .details = "Takes several snapshots of a running Python process and says what leaks. The process is stopped\n"
               "for milliseconds each time and is otherwise untouched. Snapshot files taken earlier are compared\n"
               "in the order given; one file or core alone shows what is held, not what grows. Ctrl-C: the verdict so far.\n"
               "--lines loads the sampler into the process for that time: findings then tell the lines that allocated,\n"
               "with --native-stacks the C functions below them too, and their source lines where there is debug information.\n"
               "If nothing grows in it but a child process does, that is watched too, for as long again.\n"
               "Exit status: 0 no leak, 1 a leak was found, 2 inconclusive.",
    .examples = "  caulk leaks 4121\n"
                "  caulk leaks 4121 --seconds 120 --json verdict.json\n"
                "  caulk leaks 4121 --lines\n"
                "  caulk leaks 4121 --native-stacks\n"
                "  caulk leaks monday.caulk tuesday.caulk wednesday.caulk\n",
    .options = options,
    .defaults = {.seconds = 30, .snapshots = 7, .interval = DENSE_INTERVAL, .budget = DENSE_BUDGET},
    .operands_least = 1,
    .operands_most = OPERANDS_MAX,
    .run = run,
};
