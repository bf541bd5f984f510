/* One way to fail, for every layer. */
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct error out_of_memory = {STATUS_INTERNAL, (char *)"out of memory"};

static struct error *error_from_message(enum error_status status, char *message) {
    struct error *error = malloc(sizeof *error);
    if (!error || !message) {
        free(error);
        free(message);
        return &out_of_memory;
    }
    *error = (struct error){status, message};
    return error;
}

struct error *error_create(enum error_status status, const char *format, ...) {
    char *message = NULL;
    va_list arguments;
    va_start(arguments, format);
    if (vasprintf(&message, format, arguments) < 0)
        message = NULL;
    va_end(arguments);
    return error_from_message(status, message);
}

struct error *error_from_errno(enum error_status status, const char *format, ...) {
    int number = errno;
    char *attempt = NULL;
    va_list arguments;
    va_start(arguments, format);
    if (vasprintf(&attempt, format, arguments) < 0)
        attempt = NULL;
    va_end(arguments);
    if (!attempt)
        return &out_of_memory;
    char *message = NULL;
    if (asprintf(&message, "%s: %s", attempt, strerror(number)) < 0)
        message = NULL;
    free(attempt);
    return error_from_message(status, message);
}

void error_discard(struct error *error) {
    if (!error || error == &out_of_memory)
        return;
    free(error->message);
    free(error);
}
