/* The command line: options of one command, and the help that its table makes. */
#ifndef CAULK_APP_OPTIONS_H
#define CAULK_APP_OPTIONS_H

#include "app/command.h"

#include <stdio.h>

/* Parses the words after the command's name. Operands stay in `words`, moved to its front. Sets *help_out
 * and stops if --help was asked for. */
struct error *options_parse(const struct command *command, char **words, size_t count, struct choices *out,
                            bool *help_out);

void options_help(const struct command *command, FILE *out);

#endif
