/* A line on the terminal that says what is going on, when it takes a while. */
#include "app/progress.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

double progress_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

void progress_open(struct progress *progress) {
    *progress = (struct progress){.started = progress_now(), .terminal = isatty(STDERR_FILENO)};
}

void progress_show(struct progress *progress, const char *format, ...) {
    if (!progress->terminal || progress_now() - progress->started < 1)
        return;
    va_list arguments;
    va_start(arguments, format);
    fputs("\r\033[K", stderr);
    vfprintf(stderr, format, arguments);
    fflush(stderr);
    va_end(arguments);
    progress->shown = true;
}

void progress_close(struct progress *progress) {
    if (progress->shown)
        fputs("\r\033[K", stderr);
    progress->shown = false;
}
