/* caulk diff: what changed between two snapshots. */
#include "app/changes.h"
#include "app/command.h"

static const struct option_rule options[] = {
    {"limit", 'l', OPTION_WHOLE, COMMAND_OPTION(limit), "N", "rows of each table (15)", 1, 1000000},
    {"json", 0, OPTION_TEXT, COMMAND_OPTION(json), "FILE", "write JSON; - for standard output", 0, 0},
    {"pause", 0, OPTION_FLAG, COMMAND_OPTION(pause), NULL, "copy while stopped, do not fork a picture", 0, 0},
    {"types", 0, OPTION_TEXT, COMMAND_OPTION(types), "FILE", "C types that FILE describes (~/.config/caulk/types)", 0, 0},
    {0},
};

static struct error *print(const struct table_diff *table, const char *json) {
    if (!json) {
        report_diff_text(table, stdout, output_colour());
        return NULL;
    }
    struct output output;
    TRY(output_open(json, &output));
    report_diff_json(table, output.file);
    return output_close(&output);
}

static struct error *open_stage(const char *word, const struct choices *choices, struct stage *out) {
    struct target target;
    struct heap *heap;
    TRY(target_from_word(word, choices, &target));
    TRY(target_open(&target, &heap));
    target_print_remarks(&target);
    stage_open(out, heap);
    return NULL;
}

static struct error *compare(const struct choices *choices, struct arena *arena) {
    struct stage stage;
    struct census_memory before;
    struct table_diff table = {0};
    TRY(open_stage(choices->operands[0], choices, &stage));
    changes_remember(&stage, arena, &before);
    tables_snapshot(stage.heap, &table.before);
    table.before.python = arena_format(arena, "%s", stage.heap->facts.python);
    table.before.executable = arena_format(arena, "%s", stage.heap->facts.executable);
    double taken_at = stage.heap->facts.taken_at;
    stage_close(&stage);
    TRY(open_stage(choices->operands[1], choices, &stage));
    tables_snapshot(stage.heap, &table.after);
    table.seconds = stage.heap->facts.taken_at - taken_at;
    changes_by_path(&stage, &before, (size_t)choices->limit, &table);
    changes_by_type(&stage, &before, (size_t)choices->limit, &table);
    struct error *error = print(&table, choices->json);
    stage_close(&stage);
    return error;
}

static struct error *run(const struct choices *choices, int *status_out) {
    (void)status_out;
    struct arena arena = {0};
    struct error *error = compare(choices, &arena);
    arena_deinit(&arena);
    return error;
}

const struct command command_diff = {
    .name = "diff",
    .summary = "what changed between two snapshots",
    .operands = "OLD.caulk NEW.caulk|PID",
    .details = "Two tables: below which named paths the heap grew, and how the number and size of objects of each\n"
               "type changed. Whether a growth is a leak takes more than two snapshots: see caulk leaks.",
    .examples = "  caulk diff monday.caulk tuesday.caulk\n"
                "  caulk diff monday.caulk 4121 --json -\n",
    .options = options,
    .defaults = {.limit = 15},
    .operands_least = 2,
    .operands_most = 2,
    .run = run,
};
