/* A program that caulk starts: its process, the signals that it gets, and how it ended. */
#include "app/program.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const int passed_on[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1};

/* --- the keeper --- */

/* What the keeper tells: first the program's pid or a negative errno, later the wait status. */
struct message {
    int number;
};

static void tell(int pipe, int number) {
    struct message message = {number};
    ssize_t ignored = write(pipe, &message, sizeof message);
    (void)ignored;
}

static _Noreturn void become_program(char **words, char *const *environment, const sigset_t *mask, int failure) {
    for (; *environment; environment++)
        putenv(*environment);
    signal(SIGPIPE, SIG_DFL); /* caulk itself ignores it */
    sigprocmask(SIG_SETMASK, mask, NULL);
    execvp(words[0], words);
    tell(failure, errno);
    _exit(127);
}

static _Noreturn void keep(char **words, char *const *environment, const sigset_t *mask, int pipe_end) {
    int failure[2];
    struct message reason = {0};
    if (pipe2(failure, O_CLOEXEC) != 0) {
        tell(pipe_end, -errno);
        _exit(1);
    }
    pid_t pid = fork();
    if (pid == 0)
        become_program(words, environment, mask, failure[1]);
    close(failure[1]);
    if (pid < 0)
        reason.number = errno;
    else if (read(failure[0], &reason, sizeof reason) != sizeof reason)
        reason.number = 0;
    close(failure[0]);
    tell(pipe_end, reason.number ? -reason.number : pid);
    int status = 0;
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    tell(pipe_end, status);
    _exit(0);
}

/* --- signals --- */

/* A signal of the terminal went to the program too, which is of the same process group. */
static void *pass_signals(void *context) {
    const struct program *program = context;
    struct pollfd polled[] = {{.fd = program->signals, .events = POLLIN}, {.fd = program->stop, .events = POLLIN}};
    for (;;) {
        struct signalfd_siginfo signal;
        if (poll(polled, 2, -1) < 0 && errno != EINTR)
            return NULL;
        if (polled[1].revents)
            return NULL;
        if (!polled[0].revents || read(program->signals, &signal, sizeof signal) != sizeof signal ||
            signal.ssi_code == SI_KERNEL)
            continue;
        if (program->handle >= 0)
            syscall(SYS_pidfd_send_signal, program->handle, signal.ssi_signo, NULL, 0);
        else /* a kernel without pidfds */
            kill(program->pid, (int)signal.ssi_signo);
    }
}

static void take_signals(struct program *program) {
    sigset_t all, forward, request;
    sigemptyset(&forward);
    sigemptyset(&request);
    for (size_t i = 0; i < sizeof passed_on / sizeof *passed_on; i++)
        sigaddset(&forward, passed_on[i]);
    sigaddset(&request, SIGUSR2);
    all = forward;
    sigaddset(&all, SIGUSR2);
    sigprocmask(SIG_BLOCK, &all, &program->before);
    program->signals = signalfd(-1, &forward, SFD_CLOEXEC | SFD_NONBLOCK);
    program->requests = signalfd(-1, &request, SFD_CLOEXEC | SFD_NONBLOCK);
    program->stop = eventfd(0, EFD_CLOEXEC);
}

/* --- start and end --- */

static struct error *start_keeper(char **words, char *const *environment, struct program *out) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return error_from_errno(STATUS_INTERNAL, "starting %s", words[0]);
    out->ending = ends[0];
    out->keeper = fork();
    if (out->keeper == 0)
        keep(words, environment, &out->before, ends[1]);
    close(ends[1]);
    struct message first = {-EIO};
    if (out->keeper > 0 && read(out->ending, &first, sizeof first) == sizeof first && first.number > 0) {
        out->pid = first.number;
        out->handle = (int)syscall(SYS_pidfd_open, out->pid, 0);
        return NULL;
    }
    errno = out->keeper < 0 ? errno : -first.number;
    return error_from_errno(STATUS_NO_TARGET, "starting %s", words[0]);
}

static void close_descriptors(const struct program *program) {
    const int descriptors[] = {program->handle, program->ending, program->requests, program->signals, program->stop};
    for (size_t i = 0; i < sizeof descriptors / sizeof *descriptors; i++)
        if (descriptors[i] >= 0)
            close(descriptors[i]);
    if (program->keeper > 0)
        waitpid(program->keeper, NULL, 0);
    sigprocmask(SIG_SETMASK, &program->before, NULL);
}

struct error *program_start(char **words, char *const *environment, struct program *out) {
    *out = (struct program){.handle = -1, .ending = -1};
    take_signals(out);
    struct error *error = start_keeper(words, environment, out);
    if (!error && pthread_create(&out->thread, NULL, pass_signals, out) != 0) {
        kill(out->pid, SIGKILL);
        error = error_create(STATUS_INTERNAL, "starting %s: no thread to pass signals on", words[0]);
    }
    if (error)
        close_descriptors(out);
    return error;
}

enum program_event program_wait(struct program *program, double seconds) {
    struct pollfd polled[] = {{.fd = program->ending, .events = POLLIN}, {.fd = program->requests, .events = POLLIN}};
    struct timespec limit = {.tv_sec = (time_t)seconds};
    limit.tv_nsec = (long)((seconds - (double)limit.tv_sec) * 1e9);
    if (ppoll(polled, 2, &limit, NULL) <= 0)
        return PROGRAM_TIME_OVER;
    struct message status = {0};
    if (polled[0].revents) {
        program->ended = true;
        if (read(program->ending, &status, sizeof status) == sizeof status)
            program->wait_status = status.number;
        return PROGRAM_ENDED;
    }
    struct signalfd_siginfo information;
    while (read(program->requests, &information, sizeof information) > 0)
        continue;
    return PROGRAM_REPORT_WANTED;
}

void program_close(struct program *program) {
    uint64_t one = 1;
    if (write(program->stop, &one, sizeof one) == sizeof one)
        pthread_join(program->thread, NULL);
    struct signalfd_siginfo late; /* meant for the program, which has ended */
    while (read(program->signals, &late, sizeof late) > 0)
        continue;
    close_descriptors(program);
}

int program_pass_on(int wait_status) {
    if (!WIFSIGNALED(wait_status))
        return WEXITSTATUS(wait_status);
    int number = WTERMSIG(wait_status);
    const struct rlimit no_core = {0};
    setrlimit(RLIMIT_CORE, &no_core); /* the program has left its own */
    sigset_t only;
    sigemptyset(&only);
    sigaddset(&only, number);
    signal(number, SIG_DFL);
    sigprocmask(SIG_UNBLOCK, &only, NULL);
    raise(number);
    return 128 + number;
}
