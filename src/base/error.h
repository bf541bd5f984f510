/* How a function says that it could not go on.
 *
 * A function that can fail returns `struct error *`; NULL is success. The message says what was attempted,
 * on what, and what the user can do. An unreadable or absurd object of the target is not an error but a
 * fault: it is counted and the work goes on. */
#ifndef CAULK_BASE_ERROR_H
#define CAULK_BASE_ERROR_H

/* Exit statuses of the program; part of the command-line contract. */
enum error_status {
    STATUS_NO_LEAK = 0,
    STATUS_LEAK = 1,
    STATUS_INCONCLUSIVE = 2,
    STATUS_USAGE = 64,        /* the command line is wrong */
    STATUS_BAD_FILE = 65,     /* a snapshot file is truncated, foreign, newer or damaged */
    STATUS_NO_TARGET = 66,    /* no such process or file, or it went away half-way */
    STATUS_NOT_PYTHON = 67,   /* a process, but not one that caulk can read */
    STATUS_UNSUPPORTED = 68,  /* a Python of a version or build that caulk does not know */
    STATUS_BUSY = 69,         /* another tracer holds it, or it could not be stopped in time */
    STATUS_INTERNAL = 70,     /* caulk itself failed: out of memory, a bug */
    STATUS_OUTPUT = 73,       /* the result could not be written */
    STATUS_PERMISSION = 77,   /* not allowed; the message has the remedy */
};

struct error {
    enum error_status status;
    char *message; /* one line, no newline at its end */
};

/* A new error; never NULL (a static one stands in when memory is out). Owned by whoever receives it. */
struct error *error_create(enum error_status status, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The same, with ": " and the words for errno at the end. */
struct error *error_from_errno(enum error_status status, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Forgets an error that was dealt with. NULL is allowed. */
void error_discard(struct error *error);

/* Returns the error of `expression` to the caller, if there is one. */
#define TRY(expression)                                                                                      \
    do {                                                                                                     \
        struct error *try_error = (expression);                                                              \
        if (try_error)                                                                                       \
            return try_error;                                                                                \
    } while (0)

#endif
