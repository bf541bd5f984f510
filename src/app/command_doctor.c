/* caulk doctor: what caulk can and cannot do with a process, and why. */
#include "app/command.h"
#include "app/doctor.h"
#include "app/output.h"
#include "app/target.h"
#include "report/json.h"
#include "report/words.h"

#include <stdio.h>
#include <stdlib.h>

static const struct option_rule options[] = {
    {"json", 0, OPTION_TEXT, COMMAND_OPTION(json), "FILE", "write JSON; - for standard output", 0, 0},
    {0},
};

static const char *const verdicts[] = {"ok", "limited", "no", "unknown"};

static void find_facts(int pid, struct doctor_facts *out) {
    *out = (struct doctor_facts){.pid = pid};
    error_discard(live_identify(pid, &out->identity));
    out->open_error = live_open(pid, &out->memory);
    live_conditions_read(pid, out->memory, &out->conditions);
    if (out->memory)
        out->python_error = python_process_find(out->memory, &out->process);
}

static void discard_facts(struct doctor_facts *facts) {
    error_discard(facts->open_error);
    error_discard(facts->python_error);
    memory_close(facts->memory);
}

static void print_text(int pid, const struct doctor_checks *checks, FILE *out) {
    fprintf(out, "caulk doctor · process %d\n\n", pid);
    for (size_t i = 0; i < checks->count; i++) {
        const struct doctor_check *check = &checks->items[i];
        fprintf(out, "  %-8s %-15s ", verdicts[check->verdict], check->name);
        words_print(out, check->reason);
        fputc('\n', out);
        if (!*check->remedy)
            continue;
        fprintf(out, "  %-8s %-15s → ", "", "");
        words_print(out, check->remedy);
        fputc('\n', out);
    }
    if (checks->works)
        fprintf(out, "\ncaulk leaks %d would work.\n", pid);
    else
        fprintf(out, "\ncaulk leaks %d would fail, with exit status %d.\n", pid, checks->status);
}

static void print_json(int pid, const struct doctor_checks *checks, FILE *out) {
    struct json json = {.out = out};
    json_begin_object(&json, NULL);
    json_text(&json, "schema", "caulk.doctor/1");
    json_integer(&json, "pid", pid);
    json_bool(&json, "works", checks->works);
    json_integer(&json, "status", checks->status);
    json_begin_array(&json, "checks");
    for (size_t i = 0; i < checks->count; i++) {
        const struct doctor_check *check = &checks->items[i];
        json_begin_object(&json, NULL);
        json_text(&json, "name", check->name);
        json_text(&json, "verdict", verdicts[check->verdict]);
        json_text(&json, "reason", check->reason);
        json_text(&json, "remedy", *check->remedy ? check->remedy : NULL);
        json_end_object(&json);
    }
    json_end_array(&json);
    json_end_object(&json);
    fputc('\n', out);
}

static struct error *print(int pid, const struct doctor_checks *checks, const char *json) {
    if (!json) {
        print_text(pid, checks, stdout);
        return NULL;
    }
    struct output output;
    TRY(output_open(json, &output));
    print_json(pid, checks, output.file);
    return output_close(&output);
}

static struct error *run(const struct choices *choices, int *status_out) {
    struct target target;
    TRY(target_from_word(choices->operands[0], choices, &target));
    if (!target.pid)
        return error_create(STATUS_USAGE, "doctor: %s is not the number of a process", choices->operands[0]);
    struct doctor_facts facts;
    struct doctor_checks *checks = calloc(1, sizeof *checks);
    if (!checks)
        return error_create(STATUS_INTERNAL, "examining process %d: out of memory", target.pid);
    find_facts(target.pid, &facts);
    doctor_examine(&facts, checks);
    *status_out = checks->status;
    struct error *error = print(target.pid, checks, choices->json);
    discard_facts(&facts);
    free(checks);
    return error;
}

const struct command command_doctor = {
    .name = "doctor",
    .summary = "what caulk can and cannot do with a process, and why",
    .operands = "PID",
    .details = "One line for each condition that a snapshot of the process depends on: ok, limited, no or unknown,\n"
               "the reason, and what to do. The process is not stopped; /proc and some words of its memory are read.\n"
               "The exit status is 0 if caulk leaks would work, else the one that caulk leaks would give.",
    .examples = "  caulk doctor 4121\n"
                "  caulk doctor 4121 --json - | jq '.checks[] | select(.verdict != \"ok\")'\n",
    .options = options,
    .operands_least = 1,
    .operands_most = 1,
    .run = run,
};
