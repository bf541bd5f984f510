/* What a command of the program is: a name, its options, its words of help, and what it does.
 *
 * Each command is one file (command_leaks.c ...) that defines one `struct command`; main.c lists them. */
#ifndef CAULK_APP_COMMAND_H
#define CAULK_APP_COMMAND_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

/* Everything that options can set; a command's table says which of it the command has. */
struct choices {
    double seconds;     /* --seconds */
    double snapshots;   /* --snapshots */
    double limit;       /* --limit */
    double depth;       /* --depth */
    const char *json;   /* --json: a path, "-" for standard output, NULL for none */
    const char *output; /* -o */
    const char *by;     /* --by */
    const char *types;  /* --types: a file that describes foreign C types */
    const char *python; /* --python */
    double interval;    /* --interval: bytes between samples, on average */
    double budget;      /* --budget: percent of one CPU that samples may cost, 100 for any; 0 is the sampler's own */
    double watch;       /* --watch: seconds between snapshots of a program that is run */
    bool every_byte;    /* --every-byte */
    bool native;        /* --native */
    bool native_stacks; /* --native-stacks */
    bool quiet;         /* --quiet */
    bool lines;         /* --lines */
    bool all;           /* --all */
    bool pause;         /* --pause */
    bool values;        /* --values */
    char **operands;
    size_t operand_count;
};

enum option_type { OPTION_FLAG, OPTION_TEXT, OPTION_REAL, OPTION_WHOLE };

struct option_rule {
    const char *name; /* without dashes; NULL ends a table */
    char letter;      /* of the short form, 0 none */
    enum option_type type;
    size_t offset;    /* of the field of struct choices that it sets */
    const char *argument;
    const char *help;
    double least, most; /* of a number */
};

struct command {
    const char *name;
    const char *summary;  /* one line, for the list of commands */
    const char *operands; /* as in the usage line */
    const char *details;  /* some lines about what it does */
    const char *examples;
    const struct option_rule *options;
    struct choices defaults;
    size_t operands_least, operands_most;
    bool runs_program; /* the operands are a program's words: options end at the first of them, at -m and at -c */
    bool (*takes_file)(const char *word); /* ... but for a file that it says is no program; may be NULL */
    struct error *(*run)(const struct choices *choices, int *status_out);
};

extern const struct command command_leaks, command_snapshot, command_top, command_tree, command_why, command_diff,
    command_doctor, command_attach, command_detach, command_run, command_lines;

#define COMMAND_OPTION(field) offsetof(struct choices, field)

#endif
