/* A target with a thread for each way to wait or to work. */
#include "world.h"

#include <errno.h>
#include <immintrin.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

const char *const world_names[WORLD_KINDS] = {
    "read",    "poll",    "ppoll",     "select",          "epoll",       "epoll_pwait", "recv",    "accept",
    "eventfd", "futex",   "semaphore", "semop",           "sigwaitinfo", "nanosleep",   "clock_nanosleep",
    "timed futex", "fork", "spawn",    "threads",         "churn",       "vectors",     "timer",
};

_Atomic uint64_t world_word, world_twin;

/* What the conductor needs to wake the threads that wait without end. */
struct wakers {
    struct world *world;
    int pipes[WORLD_KINDS][2];
    int event, listener, semaphores;
    struct sockaddr_un address;
    socklen_t address_length;
    pthread_mutex_t mutex;
    pthread_cond_t condition;
    uint64_t turn;
    sem_t semaphore;
    pthread_t threads[WORLD_KINDS];
};

static struct wakers wakers;

static void count(enum world_kind kind, long result, bool right) {
    if (result < 0 && errno == EINTR)
        wakers.world->interrupted[kind]++;
    else if (!right)
        wakers.world->wrong[kind]++;
    else
        wakers.world->rounds[kind]++;
}

static void take_byte(enum world_kind kind) {
    char byte = 0;
    long result = read(wakers.pipes[kind][0], &byte, 1);
    count(kind, result, result == 1 && byte == 'x');
}

static void wait_read(void) { take_byte(WORLD_READ); }

static void wait_poll(void) {
    struct pollfd ready = {wakers.pipes[WORLD_POLL][0], POLLIN, 0};
    int result = poll(&ready, 1, -1);
    result == 1 ? take_byte(WORLD_POLL) : count(WORLD_POLL, result, false);
}

static void wait_ppoll(void) {
    struct pollfd ready = {wakers.pipes[WORLD_PPOLL][0], POLLIN, 0};
    int result = ppoll(&ready, 1, NULL, NULL);
    result == 1 ? take_byte(WORLD_PPOLL) : count(WORLD_PPOLL, result, false);
}

static void wait_select(void) {
    fd_set ready;
    FD_ZERO(&ready);
    FD_SET(wakers.pipes[WORLD_SELECT][0], &ready);
    int result = select(wakers.pipes[WORLD_SELECT][0] + 1, &ready, NULL, NULL, NULL);
    result == 1 ? take_byte(WORLD_SELECT) : count(WORLD_SELECT, result, false);
}

static int epoll_of(enum world_kind kind) {
    int file = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN};
    epoll_ctl(file, EPOLL_CTL_ADD, wakers.pipes[kind][0], &event);
    return file;
}

static void wait_epoll(void) {
    static int file = -1;
    struct epoll_event event;
    file = file < 0 ? epoll_of(WORLD_EPOLL) : file;
    int result = epoll_wait(file, &event, 1, -1);
    result == 1 ? take_byte(WORLD_EPOLL) : count(WORLD_EPOLL, result, false);
}

static void wait_epoll_pwait(void) {
    static int file = -1;
    struct epoll_event event;
    sigset_t none;
    sigemptyset(&none);
    sigaddset(&none, SIGALRM);
    file = file < 0 ? epoll_of(WORLD_EPOLL_PWAIT) : file;
    int result = epoll_pwait(file, &event, 1, -1, &none);
    result == 1 ? take_byte(WORLD_EPOLL_PWAIT) : count(WORLD_EPOLL_PWAIT, result, false);
}

static void wait_receive(void) {
    char byte = 0;
    long result = recv(wakers.pipes[WORLD_RECEIVE][0], &byte, 1, 0);
    count(WORLD_RECEIVE, result, result == 1 && byte == 'x');
}

static void wait_accept(void) {
    int file = accept(wakers.listener, NULL, NULL);
    count(WORLD_ACCEPT, file, file >= 0);
    if (file >= 0)
        close(file);
}

static void wait_event(void) {
    uint64_t value = 0;
    long result = read(wakers.event, &value, sizeof value);
    count(WORLD_EVENT, result, result == sizeof value && value > 0);
}

static void wait_futex(void) {
    pthread_mutex_lock(&wakers.mutex);
    uint64_t turn = wakers.turn;
    while (wakers.turn == turn)
        pthread_cond_wait(&wakers.condition, &wakers.mutex);
    pthread_mutex_unlock(&wakers.mutex);
    count(WORLD_FUTEX, 0, true);
}

static void wait_semaphore(void) {
    int result = sem_wait(&wakers.semaphore);
    count(WORLD_SEMAPHORE, result, result == 0);
}

static void wait_semop(void) {
    struct sembuf take = {0, -1, 0};
    int result = semop(wakers.semaphores, &take, 1);
    count(WORLD_SEMOP, result, result == 0);
}

static void wait_signal(void) {
    sigset_t wanted;
    sigemptyset(&wanted);
    sigaddset(&wanted, SIGUSR2);
    int result = sigwaitinfo(&wanted, NULL);
    count(WORLD_SIGWAIT, result, result == SIGUSR2);
}

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void wait_nanosleep(void) {
    double begin = seconds();
    int result = nanosleep(&(struct timespec){.tv_nsec = 30000000}, NULL);
    count(WORLD_NANOSLEEP, result, seconds() - begin >= 0.0299);
}

static void wait_clock_nanosleep(void) {
    double begin = seconds();
    errno = clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){.tv_nsec = 25000000}, NULL);
    count(WORLD_CLOCK_NANOSLEEP, errno ? -1 : 0, seconds() - begin >= 0.0249);
}

static void wait_timed_futex(void) {
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += 20000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_mutex_lock(&mutex);
    int result = pthread_cond_timedwait(&condition, &mutex, &until);
    pthread_mutex_unlock(&mutex);
    count(WORLD_TIMED_FUTEX, 0, result == ETIMEDOUT || result == 0);
}

/* Any child: a picture that it found would be one too many. */
static void work_fork(void) {
    pid_t child = fork();
    if (child == 0)
        _exit(7);
    int status = 0;
    pid_t found = waitpid(-1, &status, __WNOTHREAD);
    count(WORLD_FORK, found, found == child && WIFEXITED(status) && WEXITSTATUS(status) == 7);
}

/* Not posix_spawn: that blocks SIGCHLD for a moment, and a child that ends in it breaks waits of other threads
 * without any help of ours. */
static void work_spawn(void) {
    int status = 0;
    pid_t child = vfork();
    if (child == 0) {
        execl("/bin/true", "true", (char *)NULL);
        _exit(1);
    }
    pid_t found = waitpid(child, &status, 0);
    count(WORLD_SPAWN, found, found == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    nanosleep(&(struct timespec){.tv_nsec = 3000000}, NULL);
}

static void *short_life(void *argument) { return argument; }

static void work_threads(void) {
    pthread_t thread;
    void *result = NULL;
    bool right = pthread_create(&thread, NULL, short_life, &wakers) == 0 && pthread_join(thread, &result) == 0;
    count(WORLD_THREADS, 0, right && result == &wakers);
    nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
}

/* Changes two words together, and memory around them. */
static void work_churn(void) {
    uint64_t next = world_word + 1;
    world_word = next;
    world_twin = next;
    unsigned char *block = malloc(3000 + next % 70000);
    memset(block, (int)next, 3000);
    count(WORLD_CHURN, 0, block[2999] == (unsigned char)next);
    free(block);
}

/* Nothing but vector registers for a long while: a bit that is lost shows. */
bool world_vectors_hold(uint64_t seed) {
    uint64_t sum = 0;
    _mm_setcsr(0x1f80 | 0x6000); /* round toward zero: must survive too */
    __asm__ volatile("movq %1, %%xmm15\n\t"
                     "punpcklqdq %%xmm15, %%xmm15\n\t"
                     "mov $20000, %%ecx\n"
                     "1: movdqa %%xmm15, %%xmm3\n\t"
                     "paddq %%xmm3, %%xmm15\n\t"
                     "psubq %%xmm3, %%xmm15\n\t"
                     "dec %%ecx\n\t"
                     "jnz 1b\n\t"
                     "psrldq $8, %%xmm15\n\t"
                     "movq %%xmm15, %0"
                     : "=r"(sum)
                     : "r"(seed)
                     : "ecx", "xmm3", "xmm15", "cc");
    return sum == seed && (_mm_getcsr() & 0x6000) == 0x6000;
}

static void work_vectors(void) {
    static uint64_t seed = 0x123456789abcdef;
    seed = seed * 6364136223846793005u + 1;
    count(WORLD_VECTORS, 0, world_vectors_hold(seed));
}

static void work_timer(void) {
    for (volatile int i = 0; i < 20000; i++)
        ;
    count(WORLD_TIMER, 0, true);
}

static void (*const world_rounds[WORLD_KINDS])(void) = {
    wait_read,    wait_poll,   wait_ppoll,     wait_select, wait_epoll,  wait_epoll_pwait, wait_receive,
    wait_accept,  wait_event,  wait_futex,     wait_semaphore, wait_semop, wait_signal,    wait_nanosleep,
    wait_clock_nanosleep, wait_timed_futex, work_fork, work_spawn, work_threads, work_churn, work_vectors,
    work_timer,
};

/* Workers that spin leave the processor to others now and then. */
static void *run_kind(void *argument) {
    enum world_kind kind = (enum world_kind)(uintptr_t)argument;
    sigset_t timer;
    sigemptyset(&timer);
    sigaddset(&timer, SIGALRM);
    if (kind == WORLD_TIMER)
        pthread_sigmask(SIG_UNBLOCK, &timer, NULL);
    for (uint64_t round = 0;; round++) {
        world_rounds[kind]();
        if (kind >= WORLD_CHURN && round % 16 == 0 && kind != WORLD_TIMER)
            nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    return NULL;
}

static void wake_all(void) {
    static const enum world_kind by_pipe[] = {WORLD_READ,  WORLD_POLL,        WORLD_PPOLL,  WORLD_SELECT,
                                              WORLD_EPOLL, WORLD_EPOLL_PWAIT, WORLD_RECEIVE};
    for (size_t i = 0; i < sizeof by_pipe / sizeof *by_pipe; i++)
        if (write(wakers.pipes[by_pipe[i]][1], "x", 1) != 1)
            _exit(3);
    if (write(wakers.event, &(uint64_t){1}, 8) != 8)
        _exit(3);
    int caller = socket(AF_UNIX, SOCK_STREAM, 0);
    connect(caller, (struct sockaddr *)&wakers.address, wakers.address_length);
    close(caller);
    pthread_mutex_lock(&wakers.mutex);
    wakers.turn++;
    pthread_cond_signal(&wakers.condition);
    pthread_mutex_unlock(&wakers.mutex);
    sem_post(&wakers.semaphore);
    semop(wakers.semaphores, &(struct sembuf){0, 1, 0}, 1);
    pthread_kill(wakers.threads[WORLD_SIGWAIT], SIGUSR2);
}

static void count_signal(int signal) {
    (void)signal;
    wakers.world->signals++;
}

static void make_wakers(struct world *world) {
    wakers.world = world;
    for (int kind = 0; kind < WORLD_KINDS; kind++)
        if (socketpair(AF_UNIX, SOCK_STREAM, 0, wakers.pipes[kind]) != 0 ||
            (kind == WORLD_READ && pipe(wakers.pipes[kind]) != 0))
            _exit(3);
    wakers.event = eventfd(0, 0);
    wakers.listener = socket(AF_UNIX, SOCK_STREAM, 0);
    wakers.address.sun_family = AF_UNIX; /* the kernel chooses a name */
    bind(wakers.listener, (struct sockaddr *)&wakers.address, sizeof(sa_family_t));
    wakers.address_length = sizeof wakers.address;
    getsockname(wakers.listener, (struct sockaddr *)&wakers.address, &wakers.address_length);
    listen(wakers.listener, 5);
    wakers.semaphores = semget(IPC_PRIVATE, 1, 0600);
    pthread_mutex_init(&wakers.mutex, NULL);
    pthread_cond_init(&wakers.condition, NULL);
    sem_init(&wakers.semaphore, 0, 0);
}

static void start_timer(void) {
    signal(SIGALRM, count_signal);
    struct itimerval interval = {{0, 2000}, {0, 2000}};
    setitimer(ITIMER_REAL, &interval, NULL);
}

_Noreturn static void world_run(struct world *world, int ready) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    sigset_t blocked;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGALRM);
    sigaddset(&blocked, SIGUSR2);
    sigprocmask(SIG_BLOCK, &blocked, NULL);
    make_wakers(world);
    int semaphores = wakers.semaphores;
    for (uintptr_t kind = 0; kind < WORLD_KINDS; kind++)
        if (pthread_create(&wakers.threads[kind], NULL, run_kind, (void *)kind) != 0)
            _exit(3);
    start_timer();
    if (write(ready, &semaphores, sizeof semaphores) != sizeof semaphores)
        _exit(3);
    for (;;) {
        wake_all();
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    }
}

static int world_semaphores; /* to be taken away in the end */

pid_t world_start(struct world **world_out) {
    int ready[2];
    void *memory = mmap(NULL, sizeof(struct world), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED || pipe(ready) != 0)
        return -1;
    *world_out = memory;
    pid_t pid = fork();
    if (pid == 0)
        world_run(memory, ready[1]);
    close(ready[1]);
    bool started = read(ready[0], &world_semaphores, sizeof world_semaphores) == sizeof world_semaphores;
    close(ready[0]);
    return started ? pid : -1;
}

void world_end(pid_t pid, struct world *world) {
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    semctl(world_semaphores, 0, IPC_RMID);
    munmap(world, sizeof *world);
}
