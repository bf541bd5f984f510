/* A line on the terminal that says what is going on, when it takes a while. */
#ifndef CAULK_APP_PROGRESS_H
#define CAULK_APP_PROGRESS_H

#include <stdbool.h>

struct progress {
    double started;
    bool terminal; /* standard error is one */
    bool shown;
};

double progress_now(void); /* seconds of a clock that only goes forward */
void progress_open(struct progress *progress);

/* Shows the line once a second has passed since progress_open; on a terminal only. */
void progress_show(struct progress *progress, const char *format, ...) __attribute__((format(printf, 2, 3)));
void progress_close(struct progress *progress);

#endif
