/* The guard of the recording beside the program's own handlers of SIGBUS. Each test is a process of its own. */
#include "agent_world.h"
#include "support/check.h"

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char path[64];
static int first_calls, second_calls;
static struct sigaction second_before;

static void first(int number) {
    (void)number;
    first_calls++;
}

/* Calls what was there before it, however often it came. */
static void second(int number, siginfo_t *info, void *context) {
    if (++second_calls > 100)
        _exit(99);
    if (second_before.sa_flags & SA_SIGINFO)
        second_before.sa_sigaction(number, info, context);
    else if (second_before.sa_handler != SIG_DFL && second_before.sa_handler != SIG_IGN)
        second_before.sa_handler(number);
}

static void come_second(int flags) {
    struct sigaction action = {.sa_sigaction = second, .sa_flags = SA_SIGINFO | flags};
    sigaction(SIGBUS, &action, &second_before);
}

/* The clock that a look goes by has moved on. */
static void look(void) {
    struct timespec rest = {.tv_nsec = 10000000};
    nanosleep(&rest, NULL);
    agent_guard_look();
}

static struct sigaction in_force(void) {
    struct sigaction found;
    sigaction(SIGBUS, NULL, &found);
    return found;
}

static void cut(void) {
    if (truncate(path, 0))
        _exit(98);
    agent_recording->samples = 7;
    if (!agent_recording_is_lost() || agent_recording->samples != 7)
        _exit(97);
}

/* The status that a process ends with whose recording is guarded from the begin, with `first` for SIGBUS. */
static int status_of(void (*body)(void)) {
    snprintf(path, sizeof path, "/tmp/caulk-test-guard-%d", getpid());
    pid_t pid = fork();
    if (pid == 0) {
        alarm(20); /* a fault that nobody mends comes again for ever */
        signal(SIGBUS, first);
        if (agent_recording_open(path, 1 << 20, &agent_recording))
            _exit(96);
        body();
        _exit(first_calls * 10 + second_calls);
    }
    int status = -1;
    waitpid(pid, &status, 0);
    unlink(path);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void cut_at_once(void) {
    cut();
}

static void cut_under_another(void) {
    come_second(0);
    look();
    cut();
}

static void cut_under_the_default(void) {
    signal(SIGBUS, SIG_DFL);
    look();
    cut();
}

TEST(a_recording_is_cut) {
    CHECK_EQUAL(status_of(cut_at_once), 0);
    CHECK_EQUAL(status_of(cut_under_another), 0);
    CHECK_EQUAL(status_of(cut_under_the_default), 0);
}

static void call_both(void) {
    come_second(0);
    look();
    raise(SIGBUS);
}

static void put_back(void) {
    come_second(0);
    look();
    sigaction(SIGBUS, &second_before, NULL);
    look();
    raise(SIGBUS);
}

static void come_again(void) {
    for (int i = 0; i < 4; i++) {
        come_second(0);
        look();
    }
    raise(SIGBUS);
    raise(SIGBUS);
}

static void come_by_turns(void) {
    for (int i = 0; i < 3; i++) {
        come_second(0);
        look();
        alarm(20); /* a fault that nobody mends comes again for ever */
        signal(SIGBUS, first);
        look();
    }
    come_second(0);
    look();
    raise(SIGBUS);
}

TEST(handlers_call_what_was_before_them) {
    CHECK_EQUAL(status_of(call_both), 11);
    CHECK_EQUAL(status_of(put_back), 10);
    CHECK_EQUAL(status_of(come_again), 22);
    CHECK_EQUAL(status_of(come_by_turns), 11);
}

static void come_once(void) {
    second_before.sa_handler = SIG_DFL;
    struct sigaction action = {.sa_sigaction = second, .sa_flags = SA_SIGINFO | (int)SA_RESETHAND};
    sigaction(SIGBUS, &action, NULL);
    look();
    raise(SIGBUS);
    if (second_calls != 1)
        _exit(95);
    look();
    cut();
    raise(SIGBUS);
}

static void die_by_default(void) {
    for (int i = 0; i < 30; i++) {
        signal(SIGBUS, SIG_DFL);
        look();
    }
    cut();
    raise(SIGBUS);
}

static void ignore(void) {
    signal(SIGBUS, SIG_IGN);
    look();
    raise(SIGBUS);
    _exit(in_force().sa_handler == SIG_IGN ? 0 : 94);
}

TEST(the_program_s_wish_is_kept) {
    CHECK_EQUAL(status_of(come_once), -SIGBUS);
    CHECK_EQUAL(status_of(die_by_default), -SIGBUS);
    CHECK_EQUAL(status_of(ignore), 0);
}

/* More often than there are layers: then it is the program's alone. */
static void come_too_often(void) {
    for (int i = 0; i < 20; i++) {
        come_second(0);
        look();
    }
    _exit(in_force().sa_sigaction == second ? 0 : 93);
}

TEST(a_handler_that_comes_too_often_is_let_be) {
    CHECK_EQUAL(status_of(come_too_often), 0);
}

TEST_MAIN(RUN(a_recording_is_cut); RUN(handlers_call_what_was_before_them); RUN(the_program_s_wish_is_kept);
          RUN(a_handler_that_comes_too_often_is_let_be);)
