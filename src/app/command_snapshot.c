/* caulk snapshot: one heap, kept in a file. */
#include "app/command.h"
#include "app/tables.h"
#include "memory/core.h"

static const struct option_rule options[] = {
    {"output", 'o', OPTION_TEXT, COMMAND_OPTION(output), "FILE", "the snapshot file (PID.caulk)", 0, 0},
    {"values", 0, OPTION_FLAG, COMMAND_OPTION(values), NULL, "keep dict keys that are not identifiers", 0, 0},
    {"json", 0, OPTION_TEXT, COMMAND_OPTION(json), "FILE", "write the totals as JSON; - for standard output", 0, 0},
    {"pause", 0, OPTION_FLAG, COMMAND_OPTION(pause), NULL, "copy while stopped, do not fork a picture", 0, 0},
    {"types", 0, OPTION_TEXT, COMMAND_OPTION(types), "FILE", "C types that FILE describes (~/.config/caulk/types)", 0, 0},
    {0},
};

static struct error *print(const struct heap *heap, const char *path, const struct choices *choices) {
    struct table_snapshot table;
    struct output output;
    tables_snapshot(heap, &table);
    if (choices->json) {
        TRY(output_open(choices->json, &output));
        report_snapshot_json(&table, output.file);
        TRY(output_close(&output));
    }
    if (!choices->json || strcmp(choices->json, "-") != 0)
        report_snapshot_text(&table, path, stdout);
    return NULL;
}

static struct error *run(const struct choices *choices, int *status_out) {
    (void)status_out;
    struct target target;
    struct heap *heap;
    TRY(target_from_word(choices->operands[0], choices, &target));
    if (!target.pid && !core_recognise(target.path))
        return error_create(STATUS_USAGE, "snapshot: %s is not the number of a process, nor a core file",
                            choices->operands[0]);
    TRY(target_open(&target, &heap));
    target_print_remarks(&target);
    const char *path = choices->output;
    if (!path && !choices->json)
        path = arena_format(&heap->arena, "%d.caulk", heap->facts.pid);
    struct heap_file_options file_options = {.values = choices->values};
    struct error *error = path ? heap_file_write(heap, path, &file_options) : NULL;
    if (!error)
        error = print(heap, path, choices);
    heap_close(heap);
    return error;
}

const struct command command_snapshot = {
    .name = "snapshot",
    .summary = "keep the heap of a process or a core in a file",
    .operands = "PID | CORE",
    .details = "Writes the objects of a running Python process to a .caulk file: their types, sizes, references and\n"
               "the names of attributes and keys, never their contents. The process is stopped for milliseconds.\n"
               "With --json and no -o only the totals are written.",
    .examples = "  caulk snapshot 4121 -o monday.caulk\n"
                "  caulk snapshot 4121 --json -\n"
                "  caulk snapshot core.4121 -o crash.caulk\n",
    .options = options,
    .operands_least = 1,
    .operands_most = 1,
    .run = run,
};
