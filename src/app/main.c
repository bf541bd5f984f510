/* The program: which command is asked for, and how it ends. */
#include "app/options.h"
#include "app/output.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct command *const commands[] = {
    &command_leaks, &command_snapshot, &command_top, &command_tree, &command_why, &command_diff,
    &command_doctor, &command_attach, &command_detach, &command_run, &command_lines,
};
enum { COMMAND_COUNT = sizeof commands / sizeof *commands };

static const char examples[] = "examples:\n"
                               "  caulk leaks 4121                   what does process 4121 leak?\n"
                               "  caulk run app.py                   which line made it, and what leaks\n"
                               "  caulk snapshot 4121 -o now.caulk   keep its heap for later\n"
                               "  caulk top now.caulk                what is in it\n"
                               "  caulk why 4121 shop.Session        who holds these objects\n";

static void print_help(FILE *out) {
    fputs("caulk finds memory leaks in running Python programs\n\nusage: caulk COMMAND [options] ...\n\n", out);
    for (int i = 0; i < COMMAND_COUNT; i++)
        fprintf(out, "  %-10s %s\n", commands[i]->name, commands[i]->summary);
    fprintf(out, "\ncaulk COMMAND --help says more; caulk --version tells the version\n\n%s", examples);
    fputs("\nexit status: 0 no leak, 1 a leak was found, 2 inconclusive, 64 and more: it could not be done\n", out);
}

static const struct command *find_command(const char *name) {
    for (int i = 0; i < COMMAND_COUNT; i++)
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    return NULL;
}

static struct error *run_command(const char *name, char **words, size_t count, int *status_out) {
    const struct command *command = find_command(name);
    if (!command)
        return error_create(STATUS_USAGE, "unknown %s %s (try: caulk --help)", name[0] == '-' ? "option" : "command",
                            name);
    struct choices choices;
    bool help;
    TRY(options_parse(command, words, count, &choices, &help));
    if (help) {
        options_help(command, stdout);
        return NULL;
    }
    return command->run(&choices, status_out);
}

static struct error *run(int count, char **words, int *status_out) {
    if (count < 2)
        return error_create(STATUS_USAGE, "no command (try: caulk --help)");
    const char *name = words[1];
    if (strcmp(name, "--version") == 0) {
        puts("caulk " CAULK_VERSION);
        return NULL;
    }
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        print_help(stdout);
        return NULL;
    }
    return run_command(name, words + 2, (size_t)count - 2, status_out);
}

/* The message in one line, whatever names of the target are in it. */
static void print_error(const struct error *error) {
    fputs("caulk: ", stderr);
    for (const char *letter = error->message; *letter; letter++)
        fputc((unsigned char)*letter < 0x20 || *letter == 0x7f ? '?' : *letter, stderr);
    fputc('\n', stderr);
}

int main(int count, char **words) {
    signal(SIGPIPE, SIG_IGN); /* a reader that went away is a write error, reported like any other */
    int status = 0;
    struct error *error = run(count, words, &status);
    if (!error)
        error = output_finish_standard();
    if (!error)
        return status;
    print_error(error);
    status = error->status;
    error_discard(error);
    return status;
}
