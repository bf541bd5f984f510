/* Pictures of processes that are busy in every way: what they show, and that the target never notices. */
#include "memory/freeze.h"
#include "memory/live.h"
#include "support/check.h"
#include "world.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int calls_to_live; /* of ptrace, then comes SIGKILL; 0 is for ever */

/* Stands before the one of the C library. */
long ptrace(enum __ptrace_request request, ...) {
    va_list arguments;
    va_start(arguments, request);
    pid_t pid = va_arg(arguments, pid_t);
    void *address = va_arg(arguments, void *), *data = va_arg(arguments, void *);
    va_end(arguments);
    long result = syscall(SYS_ptrace, (long)request, (long)pid, address, data);
    int number = errno;
    if (calls_to_live && --calls_to_live == 0)
        kill(getpid(), SIGKILL);
    errno = number;
    return result;
}

static void sleep_ms(long ms) {
    nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* Entries of a folder of /proc/PID, or lines of a file there. */
static int count_entries(pid_t pid, const char *name) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
    DIR *folder = opendir(path);
    int count = 0;
    while (folder && readdir(folder))
        count++;
    if (folder)
        closedir(folder);
    return count;
}

static int count_zombies(pid_t parent) {
    int zombies = 0;
    DIR *folder = opendir("/proc");
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        char path[300], state;
        int of;
        snprintf(path, sizeof path, "/proc/%s/stat", entry->d_name);
        FILE *file = atoi(entry->d_name) > 0 ? fopen(path, "re") : NULL;
        if (file && fscanf(file, "%*d (%*[^)]) %c %d", &state, &of) == 2 && of == parent && state == 'Z')
            zombies++;
        if (file)
            fclose(file);
    }
    if (folder)
        closedir(folder);
    return zombies;
}

static int wait_without_zombies(pid_t parent) {
    int zombies = 0; /* a fork or spawn of the target itself may just have ended */
    for (int i = 0; i < 100 && (zombies = count_zombies(parent)); i++)
        sleep_ms(3);
    return zombies;
}

/* Every thread makes a round within some seconds; returns how many did not. */
static int count_dead(struct world *world) {
    uint64_t before[WORLD_KINDS];
    int dead = WORLD_KINDS;
    for (int kind = 0; kind < WORLD_KINDS; kind++)
        before[kind] = world->rounds[kind];
    uint64_t signals = world->signals;
    for (int tries = 0; dead && tries < 2000; tries++) {
        sleep_ms(2);
        dead = world->signals == signals;
        for (int kind = 0; kind < WORLD_KINDS; kind++)
            dead += world->rounds[kind] == before[kind];
    }
    for (int kind = 0; dead && kind < WORLD_KINDS; kind++)
        if (world->rounds[kind] == before[kind])
            fprintf(stderr, "the thread of %s stands\n", world_names[kind]);
    return dead;
}

/* Any stop breaks these off with EINTR, and they are begun again. What is left over: a child of the target that
 * ends while its parent has signals blocked (in fork), or while some threads are traced already and others not. */
static bool is_fragile(int kind) {
    return kind == WORLD_EPOLL || kind == WORLD_EPOLL_PWAIT || kind == WORLD_SEMOP || kind == WORLD_SIGWAIT;
}

enum { PICTURES = 100, RARELY = PICTURES / 50 };

static int count_hurt(const struct world *world, bool interrupted_too) {
    int hurt = 0;
    for (int kind = 0; kind < WORLD_KINDS; kind++) {
        bool is_hurt =
            world->wrong[kind] || (interrupted_too && world->interrupted[kind] > (is_fragile(kind) ? RARELY : 0));
        if (is_hurt)
            fprintf(stderr, "%s: %d wrong, %d interrupted\n", world_names[kind], (int)world->wrong[kind],
                    (int)world->interrupted[kind]);
        hurt += is_hurt;
    }
    return hurt;
}

static struct error *take(pid_t pid, bool pause, double give_up_after, struct image **out,
                          struct freeze_statistics *statistics) {
    struct freeze_options options = {.pause = pause, .give_up_after = give_up_after};
    return freeze_and_copy(pid, &options, out, statistics);
}

static void check_twins(const struct image *image) {
    uint64_t word = 0, twin = 0;
    CHECK(memory_read_word(&image->memory, (uintptr_t)&world_word, &word));
    CHECK(memory_read_word(&image->memory, (uintptr_t)&world_twin, &twin));
    CHECK(word > 0 && (word == twin || word == twin + 1));
}

static void visit_often(bool pause) {
    struct world *world;
    pid_t pid = world_start(&world);
    CHECK(pid > 0);
    CHECK_EQUAL(count_dead(world), 0);
    int files = count_entries(pid, "fd"), threads = count_entries(pid, "task");
    for (int i = 0; i < PICTURES; i++) {
        struct image *image;
        struct freeze_statistics statistics;
        struct error *error = take(pid, pause, 10, &image, &statistics);
        if (error) {
            CHECK_TEXT(error->message, "");
            error_discard(error);
            break;
        }
        check_twins(image);
        CHECK(statistics.threads >= WORLD_KINDS + 1 && statistics.pause_ms > 0);
        memory_close(&image->memory);
        sleep_ms(i % 7);
    }
    CHECK_EQUAL(count_dead(world), 0);
    CHECK_EQUAL(count_hurt(world, true), 0);
    CHECK_EQUAL(wait_without_zombies(pid), 0);
    CHECK(abs(count_entries(pid, "fd") - files) <= 1);       /* a caller of accept comes and goes */
    CHECK(abs(count_entries(pid, "task") - threads) <= 1);   /* so does a thread */
    world_end(pid, world);
}

TEST(a_target_does_not_notice_its_pictures) { visit_often(false); }
TEST(a_target_does_not_notice_pauses) { visit_often(true); }

/* A visitor that takes pictures until it is killed. */
static pid_t start_visitor(pid_t pid) {
    pid_t visitor = fork();
    while (visitor == 0) {
        struct image *image = NULL;
        error_discard(take(pid, false, 10, &image, NULL));
        if (image)
            memory_close(&image->memory);
    }
    return visitor;
}

TEST(a_killed_visitor_leaves_the_target_serving) {
    const char *times = getenv("KILLS");
    struct world *world;
    pid_t pid = world_start(&world);
    srand((unsigned)pid);
    for (int i = 0; i < (times ? atoi(times) : 40) && !check_state.test_failed; i++) {
        pid_t visitor = start_visitor(pid);
        nanosleep(&(struct timespec){.tv_nsec = rand() % 30000000}, NULL);
        kill(visitor, SIGKILL);
        waitpid(visitor, NULL, 0);
        CHECK_EQUAL(count_dead(world), 0);
    }
    CHECK_EQUAL(count_hurt(world, false), 0);
    struct image *image = NULL; /* a last visitor clears up what the killed ones left */
    for (int i = 0; i < 5; i++) {
        error_discard(take(pid, false, 10, &image, NULL));
        CHECK(image != NULL);
        if (image)
            memory_close(&image->memory);
    }
    CHECK_EQUAL(wait_without_zombies(pid), 0);
    CHECK_EQUAL(count_dead(world), 0);
    world_end(pid, world);
}

/* A visitor that is killed right after its call number `calls` of ptrace; false if it needed fewer. */
static bool visit_and_die(pid_t pid, int calls) {
    int status = 0;
    pid_t visitor = fork();
    if (visitor == 0) {
        struct image *image = NULL;
        calls_to_live = calls;
        error_discard(take(pid, false, 10, &image, NULL));
        _exit(0);
    }
    waitpid(visitor, &status, 0);
    return WIFSIGNALED(status);
}

static void clear_up_after_visitors(pid_t pid) {
    struct image *image = NULL;
    for (int i = 0; i < 20; i++) {
        error_discard(take(pid, false, 10, &image, NULL));
        CHECK(image != NULL);
        if (image)
            memory_close(&image->memory);
        if (count_zombies(pid) == 0)
            return;
    }
    CHECK_EQUAL(wait_without_zombies(pid), 0);
}

TEST(a_visitor_may_die_after_any_step) {
    struct world *world;
    pid_t pid = world_start(&world);
    int calls = 1;
    for (; visit_and_die(pid, calls) && !check_state.test_failed; calls++)
        CHECK_EQUAL(count_dead(world), 0);
    CHECK(calls > 3 * WORLD_KINDS);
    CHECK_EQUAL(count_hurt(world, false), 0);
    clear_up_after_visitors(pid);
    CHECK_EQUAL(count_dead(world), 0);
    world_end(pid, world);
}

/* A child that does one thing. */
static pid_t start_child(void (*body)(void)) {
    pid_t pid = fork();
    if (pid == 0) {
        body();
        _exit(0);
    }
    return pid;
}

static void end_child(pid_t pid) {
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static void wait_for_state(pid_t pid, char wanted) {
    char path[64], state = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    for (int i = 0; i < 1000 && state != wanted; i++) {
        FILE *file = fopen(path, "re");
        if (file && fscanf(file, "%*d (%*[^)]) %c", &state) != 1)
            state = 0;
        if (file)
            fclose(file);
        sleep_ms(1);
    }
}

struct solitude {
    _Atomic uint64_t rounds, wrong;
};

static struct solitude *solitude; /* shared with a child that has one thread */

static void check_own_state(void) {
    sigset_t mask;
    stack_t stack;
    sigprocmask(SIG_SETMASK, NULL, &mask);
    sigaltstack(NULL, &stack);
    bool right = sigismember(&mask, SIGUSR1) && !sigismember(&mask, SIGTERM) && !sigismember(&mask, SIGINT) &&
                 stack.ss_flags == 0 && stack.ss_size == 1 << 16;
    solitude->wrong += !right;
    solitude->rounds++;
}

static void prepare_own_state(void) {
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR1);
    sigprocmask(SIG_SETMASK, &mask, NULL);
    sigaltstack(&(stack_t){.ss_sp = malloc(1 << 16), .ss_size = 1 << 16}, NULL);
}

static void compute_alone(void) {
    prepare_own_state();
    for (uint64_t seed = 1;; seed = seed * 6364136223846793005u + 1) {
        solitude->wrong += !world_vectors_hold(seed);
        check_own_state();
    }
}

static void sleep_alone(void) {
    prepare_own_state();
    for (;;) {
        double begin = seconds();
        int result = nanosleep(&(struct timespec){.tv_nsec = 4000000}, NULL);
        solitude->wrong += result == 0 && seconds() - begin < 0.00399;
        check_own_state();
    }
}

static void serve_alone(void) {
    int pipes[2];
    char byte;
    prepare_own_state();
    if (pipe(pipes) == 0 && fork() == 0) {
        close(pipes[0]); /* ends with its parent */
        while (write(pipes[1], "x", 1) == 1)
            sleep_ms(1);
        _exit(0);
    }
    for (;;) {
        solitude->wrong += read(pipes[0], &byte, 1) != 1 || byte != 'x';
        check_own_state();
    }
}

static bool goes_on(void) {
    uint64_t before = solitude->rounds;
    for (int i = 0; i < 2000 && solitude->rounds < before + 2; i++)
        sleep_ms(1);
    return solitude->rounds >= before + 2;
}

/* Nobody else is there whose registers could be used. */
static void check_alone(void (*body)(void)) {
    solitude = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t pid = start_child(body);
    CHECK(goes_on());
    int calls = 1;
    for (bool more = true; more && !check_state.test_failed; calls++)
        for (int i = 0; i < 4; i++) {
            more = visit_and_die(pid, calls);
            CHECK(goes_on());
        }
    CHECK(calls > 12);
    clear_up_after_visitors(pid);
    CHECK(goes_on());
    CHECK_EQUAL(solitude->wrong, 0);
    end_child(pid);
    munmap(solitude, 4096);
}

TEST(a_lone_thread_that_computes_outlives_its_visitors) { check_alone(compute_alone); }
TEST(a_lone_thread_that_sleeps_outlives_its_visitors) { check_alone(sleep_alone); }
TEST(a_lone_thread_that_serves_outlives_its_visitors) { check_alone(serve_alone); }

static void pause_forever(void) {
    for (;;)
        pause();
}

TEST(a_stopped_target_stays_stopped) {
    pid_t pid = start_child(pause_forever);
    kill(pid, SIGSTOP);
    wait_for_state(pid, 'T');
    struct image *image = NULL;
    struct error *error = take(pid, false, 5, &image, NULL);
    CHECK(!error && image);
    if (image)
        memory_close(&image->memory);
    sleep_ms(20);
    int status;
    CHECK(waitpid(pid, &status, WUNTRACED | WNOHANG) == pid && WIFSTOPPED(status));
    wait_for_state(pid, 'T');
    kill(pid, SIGCONT);
    wait_for_state(pid, 'S');
    CHECK_EQUAL(count_zombies(pid), 0);
    end_child(pid);
}

static _Atomic double *longest_gap; /* shared */

static void *tick(void *argument) {
    double last = seconds();
    for (;;) {
        sleep_ms(1);
        double now = seconds();
        if (now - last > *longest_gap)
            *longest_gap = now - last;
        last = now;
    }
    return argument;
}

/* The child of the vfork sleeps; its parent cannot be stopped until it is done. */
static void vfork_slowly(void) {
    pthread_t thread;
    pthread_create(&thread, NULL, tick, NULL);
    for (;;) {
        if (vfork() == 0) {
            nanosleep(&(struct timespec){.tv_nsec = 300000000}, NULL);
            _exit(0);
        }
        wait(NULL);
        sleep_ms(30);
    }
}

TEST(a_vfork_is_waited_for_without_stopping_the_others) {
    longest_gap = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t pid = start_child(vfork_slowly);
    wait_for_state(pid, 'D');
    for (int i = 0; i < 3; i++) {
        struct image *image = NULL;
        struct error *error = take(pid, false, 10, &image, NULL);
        CHECK(!error && image);
        if (image)
            memory_close(&image->memory);
    }
    CHECK(*longest_gap > 0 && *longest_gap < 0.15);
    CHECK_EQUAL(count_zombies(pid), 0);
    end_child(pid);
    munmap((void *)longest_gap, 4096);
}

static void live_shortly(void) {
    pthread_t thread;
    longest_gap = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    for (int i = 0; i < 5; i++)
        pthread_create(&thread, NULL, tick, NULL);
    sleep_ms(10);
}

TEST(a_target_that_ends_halfway_is_one_clear_error) {
    int complete = 0, gone = 0;
    for (int i = 0; i < 40; i++) {
        pid_t pid = start_child(live_shortly);
        nanosleep(&(struct timespec){.tv_nsec = i % 20 * 700000}, NULL);
        struct image *image = NULL;
        struct error *error = take(pid, i % 2, 5, &image, NULL);
        complete += image != NULL;
        gone += error && error->status == STATUS_NO_TARGET && strstr(error->message, "process") &&
                !strchr(error->message, '\n');
        if (error && error->status != STATUS_NO_TARGET)
            CHECK_TEXT(error->message, "");
        CHECK(!error == (image != NULL));
        error_discard(error);
        if (image)
            memory_close(&image->memory);
        end_child(pid);
    }
    CHECK_EQUAL(complete + gone, 40);
    CHECK(complete > 0 && gone > 0);
}

static _Atomic uint32_t *busy_word; /* private memory of the target, at an address that both know */

static void be_busy_now_and_then(void) {
    uint64_t rounds = 0;
    for (;; rounds++) {
        *busy_word = 1;
        for (volatile int i = 0; i < 50000; i++)
            ;
        *busy_word = 0;
        for (volatile int i = 0; i < 50000; i++)
            ;
    }
}

TEST(a_picture_waits_for_its_condition) {
    busy_word = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    *busy_word = 0; /* a page that nobody wrote to would not be in the image */
    pid_t pid = start_child(be_busy_now_and_then);
    struct freeze_condition condition = {(uintptr_t)busy_word};
    struct freeze_options options = {.conditions = &condition, .condition_count = 1};
    for (int i = 0; i < 20; i++) {
        struct image *image = NULL;
        uint32_t word = 1;
        CHECK(!freeze_and_copy(pid, &options, &image, NULL));
        CHECK(image && memory_read(&image->memory, (uintptr_t)busy_word, sizeof word, &word) && word == 0);
        if (image)
            memory_close(&image->memory);
    }
    end_child(pid);
    *busy_word = 1;
    pid = start_child(pause_forever);
    options.give_up_after = 0.1;
    struct image *image = NULL;
    struct error *error = freeze_and_copy(pid, &options, &image, NULL);
    CHECK(error && error->status == STATUS_BUSY && !image);
    error_discard(error);
    end_child(pid);
}

static uint64_t *checkered; /* pages that are there, and holes */

TEST(an_image_holds_what_was_there) {
    size_t pages = 4096;
    checkered = mmap(NULL, pages << 12, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    madvise(checkered, pages << 12, MADV_NOHUGEPAGE);
    for (size_t page = 0; page < pages; page++)
        if ((page < 600 && page % 3 == 0) || page > 2000)
            checkered[page * 512 + 5] = page;
    pid_t pid = start_child(pause_forever);
    for (int pause = 0; pause < 2; pause++) {
        struct image *image = NULL;
        CHECK(!take(pid, pause, 5, &image, NULL));
        size_t wrong = 0;
        for (size_t page = 0; page < pages && image; page++) {
            uint64_t word = 1;
            bool there = memory_read_word(&image->memory, (uintptr_t)&checkered[page * 512 + 5], &word);
            bool filled = (page < 600 && page % 3 == 0) || page > 2000;
            wrong += filled ? !there || word != page : there && word != 0;
        }
        CHECK_EQUAL(wrong, 0);
        CHECK(image && image_view(image, (uintptr_t)&checkered[100 * 512], 5 << 12)); /* across small holes */
        CHECK(image && !image_view(image, (uintptr_t)&checkered[1500 * 512], 8));     /* in a large one */
        if (image)
            memory_close(&image->memory);
    }
    end_child(pid);
    munmap(checkered, pages << 12);
}

static void *sleep_on(void *argument) {
    for (;;)
        pause();
    return argument;
}

static void leave_main(void) {
    pthread_t thread;
    pthread_create(&thread, NULL, sleep_on, NULL);
    sleep_ms(50);
    pthread_exit(NULL);
}

TEST(a_target_without_its_main_thread_is_read_by_another) {
    static uint64_t kept;
    kept = 0x636175;
    pid_t pid = start_child(leave_main);
    wait_for_state(pid, 'Z');
    for (int pause = 0; pause < 2; pause++) {
        struct image *image = NULL;
        struct freeze_statistics statistics = {0};
        uint64_t word = 0;
        CHECK(!take(pid, pause, 5, &image, &statistics));
        CHECK(image && memory_read_word(&image->memory, (uintptr_t)&kept, &word) && word == 0x636175);
        CHECK(image && image->memory.pid == pid && !statistics.paused);
        if (image)
            memory_close(&image->memory);
    }
    CHECK_EQUAL(count_zombies(pid), 0);
    end_child(pid);
}

TEST(a_traced_target_is_refused) {
    pid_t pid = start_child(pause_forever);
    CHECK_EQUAL(ptrace(PTRACE_SEIZE, pid, 0, 0), 0);
    struct image *image = NULL;
    struct error *error = take(pid, false, 1, &image, NULL);
    CHECK(error && error->status == STATUS_BUSY && strstr(error->message, "traced already"));
    error_discard(error);
    end_child(pid);
}

TEST_MAIN(RUN(an_image_holds_what_was_there); RUN(a_stopped_target_stays_stopped);
          RUN(a_vfork_is_waited_for_without_stopping_the_others);
          RUN(a_target_that_ends_halfway_is_one_clear_error); RUN(a_picture_waits_for_its_condition);
          RUN(a_target_without_its_main_thread_is_read_by_another); RUN(a_traced_target_is_refused);
          RUN(a_target_does_not_notice_its_pictures); RUN(a_target_does_not_notice_pauses);
          RUN(a_killed_visitor_leaves_the_target_serving); RUN(a_visitor_may_die_after_any_step);
          RUN(a_lone_thread_that_computes_outlives_its_visitors);
          RUN(a_lone_thread_that_sleeps_outlives_its_visitors);
          RUN(a_lone_thread_that_serves_outlives_its_visitors);)
