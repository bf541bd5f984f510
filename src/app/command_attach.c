/* caulk attach, caulk detach: the sampler into and out of a running process. */
#include "app/agent_library.h"
#include "app/attach.h"
#include "app/command.h"
#include "app/output.h"
#include "app/target.h"
#include "report/json.h"

#include <stdio.h>

static const struct option_rule attach_options[] = {
    {"interval", 0, OPTION_WHOLE, COMMAND_OPTION(interval), "BYTES", "bytes between samples, on average (524288)", 1, 1e12},
    {"budget", 0, OPTION_REAL, COMMAND_OPTION(budget), "PERCENT",
     "what samples may cost of a CPU, then they become fewer; 100: any (1)", 0.001, 100},
    {"every-byte", 0, OPTION_FLAG, COMMAND_OPTION(every_byte), NULL, "sample every allocation", 0, 0},
    {"native", 0, OPTION_FLAG, COMMAND_OPTION(native), NULL, "watch malloc and mmap of native code too", 0, 0},
    {"native-stacks", 0, OPTION_FLAG, COMMAND_OPTION(native_stacks), NULL, "... and tell which C functions asked", 0, 0},
    {"output", 'o', OPTION_TEXT, COMMAND_OPTION(output), "FILE", "the recording, a path that the process can write", 0, 0},
    {"seconds", 's', OPTION_REAL, COMMAND_OPTION(seconds), "S", "how long to wait for a place between bytecodes (10)", 1, 86400},
    {"json", 0, OPTION_TEXT, COMMAND_OPTION(json), "FILE", "write JSON; - for standard output", 0, 0},
    {0},
};

static const struct option_rule detach_options[] = {
    {"json", 0, OPTION_TEXT, COMMAND_OPTION(json), "FILE", "write JSON; - for standard output", 0, 0},
    {0},
};

static const char *way_name(enum attach_way way) {
    return way == ATTACH_BY_REMOTE_DEBUGGER ? "remote debugging" : "a pending call";
}

static void print_text(int pid, const char *done, const struct attach_report *report, FILE *out) {
    fprintf(out, "caulk · process %d · %s\n", pid, done);
    fprintf(out, "by %s · stood still %.1f ms · waited %.1f ms for a place between bytecodes\n", way_name(report->way),
            report->paused_ms, report->waited_ms);
    if (report->remark[0])
        fprintf(out, "note: %s\n", report->remark);
}

static void print_json(int pid, bool sampling, const struct attach_report *report, FILE *out) {
    struct json json = {.out = out};
    json_begin_object(&json, NULL);
    json_text(&json, "schema", "caulk.attach/1");
    json_integer(&json, "pid", pid);
    json_bool(&json, "sampling", sampling);
    json_bool(&json, "was_loaded", report->was_loaded);
    json_text(&json, "way", report->way == ATTACH_BY_REMOTE_DEBUGGER ? "remote-debugger" : "pending-call");
    json_real(&json, "paused_ms", report->paused_ms);
    json_real(&json, "waited_ms", report->waited_ms);
    json_text(&json, "remark", report->remark[0] ? report->remark : NULL);
    json_end_object(&json);
    fputc('\n', out);
}

static struct error *print(int pid, bool sampling, const struct attach_report *report, const char *json) {
    if (!json) {
        print_text(pid, sampling ? "the sampler is at work" : "sampling has stopped", report, stdout);
        return NULL;
    }
    struct output output;
    TRY(output_open(json, &output));
    print_json(pid, sampling, report, output.file);
    return output_close(&output);
}

static struct error *find_process(const struct choices *choices, const char *command, int *pid_out) {
    struct target target;
    TRY(target_from_word(choices->operands[0], choices, &target));
    *pid_out = target.pid;
    return target.pid ? NULL
                      : error_create(STATUS_USAGE, "%s: %s is not the number of a process", command, choices->operands[0]);
}

static struct error *run_attach(const struct choices *choices, int *status_out) {
    int pid;
    struct attach_report report;
    char options[4400];
    (void)status_out;
    TRY(find_process(choices, "attach", &pid));
    snprintf(options, sizeof options, "%s%s%s", agent_library_words(choices).text, choices->output ? " file=" : "",
             choices->output ? choices->output : "");
    TRY(attach_start_within(pid, options, choices->seconds, &report));
    return print(pid, true, &report, choices->json);
}

static struct error *run_detach(const struct choices *choices, int *status_out) {
    int pid;
    struct attach_report report;
    (void)status_out;
    TRY(find_process(choices, "detach", &pid));
    TRY(attach_stop(pid, &report));
    return print(pid, false, &report, choices->json);
}

const struct command command_attach = {
    .name = "attach",
    .summary = "put the sampler into a running process",
    .operands = "PID",
    .details = "Loads libcaulk_agent.so into a running Python, which then notes where a sample of its allocations is\n"
               "made. Nothing needs to be installed in the process. The library is loaded between two bytecodes of the\n"
               "process's own code: by its remote debugging (CPython 3.14 on), else by a pending call. Where that is not\n"
               "safe or not possible, nothing is done and the reason is told.\n"
               "With --native what C code takes of malloc and mmap counts for the line of Python that called it.\n"
               "caulk leaks PID then tells the lines that allocated what leaks.",
    .examples = "  caulk attach 4121\n"
                "  caulk attach 4121 --native -o run.caulkrec; sleep 60; caulk detach 4121; caulk lines run.caulkrec\n"
                "  caulk attach 4121 --interval 65536 && caulk leaks 4121 --seconds 60; caulk detach 4121\n",
    .options = attach_options,
    .defaults = {.interval = 524288, .seconds = ATTACH_PATIENCE},
    .operands_least = 1,
    .operands_most = 1,
    .run = run_attach,
};

const struct command command_detach = {
    .name = "detach",
    .summary = "stop the sampler of a process",
    .operands = "PID",
    .details = "Sampling stops. The library stays in the process, for what lives of the sampled memory; caulk attach\n"
               "starts it again.",
    .examples = "  caulk detach 4121\n",
    .options = detach_options,
    .operands_least = 1,
    .operands_most = 1,
    .run = run_detach,
};
