/* A program that caulk starts: which words start it, its process, and how it ended.
 *
 * Between caulk and the program stands the *keeper*, a process that does nothing but wait: a tracer that is also the
 * parent would take the exit status away from itself. A thread of caulk passes signals on at once, whatever the rest
 * of caulk does. */
#ifndef CAULK_APP_PROGRAM_H
#define CAULK_APP_PROGRAM_H

#include "base/arena.h"
#include "base/error.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

/* The argument vector, NULL-terminated, that starts the words of `caulk run`: a Python script, -m, -c and other
 * options of Python get `python` (NULL: python3 or python of PATH) before them, anything that can be executed is
 * taken as it is. */
struct error *program_words(char **words, size_t count, const char *python, struct arena *arena, char ***out);

struct program {
    pid_t pid, keeper;
    int handle;        /* a pidfd of the program; -1 once it ended */
    int ending;        /* a pipe that has the wait status once the program ended */
    int requests;      /* a signalfd of SIGUSR2 */
    int signals;       /* a signalfd of what is passed on */
    int stop;          /* an eventfd that ends the thread */
    pthread_t thread;
    sigset_t before;
    bool ended;
    int wait_status;   /* as of waitpid */
};

/* `environment` are "NAME=value" words that are set in the program beside what caulk has. */
struct error *program_start(char **words, char *const *environment, struct program *out);

enum program_event { PROGRAM_TIME_OVER, PROGRAM_ENDED, PROGRAM_REPORT_WANTED };

/* Waits at most so many seconds. */
enum program_event program_wait(struct program *program, double seconds);

/* Gives signals back to caulk. The program must have ended. */
void program_close(struct program *program);

/* Ends caulk as the program ended: returns its exit status, or dies of the same signal. */
int program_pass_on(int wait_status);

#endif
