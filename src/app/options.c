/* The command line: options of one command, and the help that its table makes. */
#include "app/options.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct option_rule *find_long(const struct command *command, const char *name, size_t length) {
    for (const struct option_rule *rule = command->options; rule->name; rule++)
        if (strlen(rule->name) == length && memcmp(rule->name, name, length) == 0)
            return rule;
    return NULL;
}

static const struct option_rule *find_short(const struct command *command, char letter) {
    for (const struct option_rule *rule = command->options; rule->name; rule++)
        if (rule->letter && rule->letter == letter)
            return rule;
    return NULL;
}

static struct error *unknown(const struct command *command, const char *word) {
    return error_create(STATUS_USAGE, "%s: unknown option %s (try: caulk %s --help)", command->name, word,
                        command->name);
}

static struct error *set_number(const struct command *command, const struct option_rule *rule, const char *text,
                                void *field) {
    char *end;
    errno = 0;
    double number = strtod(text, &end);
    bool whole = rule->type == OPTION_WHOLE;
    if (end == text || *end || errno || !isfinite(number) || number < rule->least || number > rule->most ||
        (whole && number != floor(number)))
        return error_create(STATUS_USAGE, "%s: --%s takes a %snumber from %g to %.0f, not \"%s\"", command->name,
                            rule->name, whole ? "whole " : "", rule->least, rule->most, text);
    memcpy(field, &number, sizeof number);
    return NULL;
}

static struct error *set(const struct command *command, const struct option_rule *rule, const char *text,
                         struct choices *out) {
    void *field = (char *)out + rule->offset;
    switch (rule->type) {
    case OPTION_FLAG: *(bool *)field = true; return NULL;
    case OPTION_TEXT:
        if (!*text)
            return error_create(STATUS_USAGE, "%s: --%s takes %s, not nothing", command->name, rule->name,
                                rule->argument);
        *(const char **)field = text;
        return NULL;
    case OPTION_REAL:
    case OPTION_WHOLE: return set_number(command, rule, text, field);
    }
    return NULL;
}

/* One option at words[*index]; moves *index over the word that it takes. */
static struct error *parse_option(const struct command *command, char **words, size_t count, size_t *index,
                                  struct choices *out) {
    const char *word = words[*index], *value = NULL;
    const struct option_rule *rule;
    if (word[1] == '-') {
        value = strchr(word, '=');
        rule = find_long(command, word + 2, value ? (size_t)(value - word - 2) : strlen(word + 2));
        if (value)
            value++;
    } else {
        rule = find_short(command, word[1]);
        if (word[2])
            value = word + 2;
    }
    if (!rule)
        return unknown(command, word);
    if (rule->type == OPTION_FLAG) {
        if (value)
            return error_create(STATUS_USAGE, "%s: --%s takes no value", command->name, rule->name);
    } else if (!value) {
        if (*index + 1 >= count)
            return error_create(STATUS_USAGE, "%s: --%s needs %s", command->name, rule->name, rule->argument);
        value = words[++*index];
    }
    return set(command, rule, value, out);
}

static struct error *check_operands(const struct command *command, size_t count) {
    if (count < command->operands_least)
        return error_create(STATUS_USAGE, "%s: too few words; usage: caulk %s [options] %s", command->name,
                            command->name, command->operands);
    if (count > command->operands_most)
        return error_create(STATUS_USAGE, "%s: too many words; usage: caulk %s [options] %s", command->name,
                            command->name, command->operands);
    return NULL;
}

/* "app.py", "-m", "-cimport this": what follows is the program's own. */
static bool begins_program(const struct command *command, const char *word) {
    if (!command->runs_program || (command->takes_file && command->takes_file(word)))
        return false;
    return word[0] != '-' || word[1] == 'm' || word[1] == 'c';
}

struct error *options_parse(const struct command *command, char **words, size_t count, struct choices *out,
                            bool *help_out) {
    *out = command->defaults;
    *help_out = false;
    size_t operands = 0;
    bool only_operands = false;
    for (size_t i = 0; i < count; i++) {
        char *word = words[i];
        if (!only_operands && strcmp(word, "--") == 0) {
            only_operands = true;
            continue;
        }
        only_operands = only_operands || begins_program(command, word);
        if (only_operands || word[0] != '-' || !word[1]) {
            words[operands++] = word;
        } else if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
            *help_out = true;
            return NULL;
        } else {
            TRY(parse_option(command, words, count, &i, out));
        }
    }
    out->operands = words;
    out->operand_count = operands;
    return check_operands(command, operands);
}

void options_help(const struct command *command, FILE *out) {
    fprintf(out, "usage: caulk %s [options] %s\n\n%s\n\noptions:\n", command->name, command->operands,
            command->details);
    for (const struct option_rule *rule = command->options; rule->name; rule++) {
        char name[64];
        snprintf(name, sizeof name, "%s%c%s--%s%s%s", rule->letter ? "-" : "", rule->letter ? rule->letter : ' ',
                 rule->letter ? ", " : "   ", rule->name, rule->argument ? " " : "",
                 rule->argument ? rule->argument : "");
        fprintf(out, "  %-26s %s\n", name, rule->help);
    }
    fprintf(out, "  %-26s %s\n\nexamples:\n%s\n", "-h, --help", "this text", command->examples);
}
