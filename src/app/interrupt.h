/* Ctrl-C and a request to end, taken as "that is enough": waits end early, work that was begun is finished. */
#ifndef CAULK_APP_INTERRUPT_H
#define CAULK_APP_INTERRUPT_H

#include <signal.h>
#include <stdbool.h>

struct interrupt {
    int descriptor; /* readable once a signal came */
    sigset_t before;
};

/* From here to interrupt_close SIGINT and SIGTERM only end waits. */
void interrupt_open(struct interrupt *interrupt);
void interrupt_close(struct interrupt *interrupt);

/* Waits; true as soon as a signal came, before or meanwhile. */
bool interrupt_wait(struct interrupt *interrupt, double seconds);

#endif
