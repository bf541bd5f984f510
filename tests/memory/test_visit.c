/* Visits of a child of ours: calls that it makes for us, its symbols, its filters; and the code of a door, run here. */
#include "memory/door.h"
#include "memory/elf_loaded.h"
#include "memory/live.h"
#include "memory/seccomp_filter.h"
#include "memory/visit.h"
#include "support/check.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* --- a child that counts --- */

static _Atomic long *rounds;

static pid_t child_start(const struct sock_fprog *filters, size_t count) {
    rounds = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        for (size_t i = 0; i < count; i++)
            if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filters[i]) != 0)
                _exit(1);
        for (;;) {
            ++*rounds;
            usleep(200);
        }
    }
    while (*rounds < 3)
        usleep(200);
    return child;
}

static bool child_counts(void) {
    long before = *rounds;
    for (int i = 0; i < 5000 && *rounds < before + 3; i++)
        usleep(1000);
    return *rounds >= before + 3;
}

static void child_end(pid_t child) {
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}

static const struct memory_segment *segment_of(const struct memory *memory, const char *part) {
    for (size_t i = 0; i < memory->segment_count; i++)
        if (strstr(memory->segments[i].path, part) && memory->segments[i].file_offset == 0)
            return &memory->segments[i];
    return NULL;
}

TEST(symbols_are_found_in_memory) {
    pid_t child = child_start(NULL, 0);
    struct memory *memory;
    CHECK(live_open(child, &memory) == NULL);
    const struct memory_segment *library = segment_of(memory, "/libc.so"), *loader = segment_of(memory, "/ld-");
    const struct memory_segment *kernel = segment_of(memory, "[vdso]");
    CHECK(library && loader && kernel);
    CHECK_EQUAL(elf_loaded_symbol(memory, library, "lfind"), (remote_address)dlsym(RTLD_DEFAULT, "lfind"));
    CHECK_EQUAL(elf_loaded_symbol(memory, library, "environ"), (remote_address)dlsym(RTLD_DEFAULT, "environ"));
    CHECK_EQUAL(elf_loaded_symbol(memory, library, "lfin"), 0);
    CHECK_EQUAL(elf_loaded_symbol(memory, loader, "lfind"), 0);
    remote_address clock = elf_loaded_symbol(memory, kernel, "__vdso_clock_gettime");
    CHECK(clock >= kernel->begin && clock < kernel->end);
    struct memory_segment inside = *library;
    inside.begin += 4096;
    CHECK_EQUAL(elf_loaded_symbol(memory, &inside, "lfind"), 0);
    memory_close(memory);
    child_end(child);
}

/* --- calls --- */

struct errand {
    long page, file, nothing, unmapped;
    char text[32];
    bool wrote;
};

static void run_errand(struct visit *visit, void *context) {
    struct errand *errand = context;
    const uint64_t map[6] = {0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, UINT64_MAX};
    visit_call(visit, SYS_mmap, map, &errand->page);
    visit_call(visit, SYS_memfd_create, (const uint64_t[6]){visit_text(visit, "errand"), 0}, &errand->file);
    visit_call(visit, SYS_close, (const uint64_t[6]){77}, &errand->nothing);
    const struct visit_piece pieces[] = {{(remote_address)errand->page, "two ", 4},
                                         {(remote_address)errand->page + 4, "pieces", 7}};
    errand->wrote = visit_write(visit->pid, pieces, 2);
    struct memory *memory;
    error_discard(live_open(visit->pid, &memory));
    if (memory)
        memory_read(memory, (remote_address)errand->page, sizeof errand->text, errand->text);
    memory_close(memory);
    visit_call(visit, SYS_munmap, (const uint64_t[6]){(uint64_t)errand->page, 4096}, &errand->unmapped);
}

TEST(a_process_makes_calls_for_us_and_goes_on) {
    pid_t child = child_start(NULL, 0);
    struct memory *memory;
    struct injector injector;
    CHECK(live_open(child, &memory) == NULL);
    if (!injector_find(memory, &injector)) {
        puts("no calls on this processor");
    } else {
        for (int i = 0; i < 20; i++) {
            struct errand errand = {0};
            char path[64], link[64] = "";
            double stood = 0;
            CHECK(visit_process(child, &injector, stop_clock() + 10, run_errand, &errand, &stood) == NULL);
            CHECK(errand.page > 4096 && errand.file >= 3 && stood > 0);
            CHECK_EQUAL(errand.nothing, -EBADF);
            CHECK_EQUAL(errand.unmapped, 0);
            CHECK(errand.wrote);
            snprintf(path, sizeof path, "/proc/%d/fd/%ld", child, errand.file);
            CHECK(readlink(path, link, sizeof link - 1) > 0);
            CHECK_TEXT(link, "/memfd:errand (deleted)");
            CHECK(child_counts());
        }
    }
    memory_close(memory);
    child_end(child);
}

static void do_nothing(struct visit *visit, void *context) {
    (void)visit, (void)context;
}

TEST(a_process_that_has_ended_is_told) {
    pid_t child = child_start(NULL, 0);
    struct injector none = {0};
    double stood = 0;
    child_end(child);
    struct error *error = visit_process(child, &none, stop_clock() + 1, do_nothing, NULL, &stood);
    CHECK(error && error->status == STATUS_NO_TARGET);
    error_discard(error);
}

/* --- filters --- */

static enum seccomp_answer answers[3];

static void ask_filters(struct visit *visit, void *context) {
    (void)context;
    const struct seccomp_call calls[] = {{SYS_memfd_create, {0}}, {SYS_mmap, {0, 4096, PROT_EXEC}}, {SYS_mmap, {0, 4096, PROT_READ}}};
    pid_t thread = vector_items(&visit->stop.threads, struct stop_thread)[0].thread;
    for (int i = 0; i < 3; i++)
        answers[i] = seccomp_filter_ask(thread, &calls[i], 1);
}

static void ask(const struct sock_fprog *filters, size_t count) {
    pid_t child = child_start(filters, count);
    struct injector none = {0};
    double stood = 0;
    CHECK(visit_process(child, &none, stop_clock() + 10, ask_filters, NULL, &stood) == NULL);
    CHECK(child_counts());
    child_end(child);
}

#define DATA(field) (uint32_t)offsetof(struct seccomp_data, field)

/* One call gets a verdict. */
#define ONE_CALL(number, verdict)                                                                             \
    {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, DATA(nr)), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),         \
     BPF_STMT(BPF_RET | BPF_K, verdict), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)}

TEST(filters_are_asked_without_a_call) {
    struct sock_filter kills[] = ONE_CALL(SYS_memfd_create, SECCOMP_RET_KILL_PROCESS);
    struct sock_filter fails[] = ONE_CALL(SYS_memfd_create, SECCOMP_RET_ERRNO | EPERM);
    struct sock_filter traps[] = ONE_CALL(SYS_mmap, SECCOMP_RET_TRAP);
    /* mmap with PROT_EXEC, by way of all sorts of instructions */
    struct sock_filter arguments[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, DATA(args[2])), BPF_STMT(BPF_ST, 5),
        BPF_STMT(BPF_LDX | BPF_IMM, 2),                    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, DATA(nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mmap, 1, 0), BPF_STMT(BPF_JMP | BPF_JA, 4),
        BPF_STMT(BPF_LD | BPF_MEM, 5),                     BPF_STMT(BPF_ALU | BPF_RSH | BPF_X, 0),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, PROT_EXEC >> 2, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_THREAD),
        BPF_STMT(BPF_LD | BPF_IMM, SECCOMP_RET_ALLOW),     BPF_STMT(BPF_RET | BPF_A, 0),
    };
    const struct sock_fprog all[] = {{4, kills}, {4, fails}, {4, traps}, {12, arguments}};
    ask(&all[0], 1);
    if (answers[0] == SECCOMP_NO_ANSWER) {
        puts("filters cannot be read here");
        return;
    }
    CHECK(answers[0] == SECCOMP_ANSWERS_HARM && answers[1] == SECCOMP_ANSWERS_CALL && answers[2] == SECCOMP_ANSWERS_CALL);
    ask(&all[1], 1);
    CHECK(answers[0] == SECCOMP_ANSWERS_CALL && answers[1] == SECCOMP_ANSWERS_CALL);
    ask(&all[2], 1);
    CHECK(answers[0] == SECCOMP_ANSWERS_CALL && answers[1] == SECCOMP_ANSWERS_HARM && answers[2] == SECCOMP_ANSWERS_HARM);
    ask(&all[3], 1);
    CHECK(answers[0] == SECCOMP_ANSWERS_CALL && answers[1] == SECCOMP_ANSWERS_HARM && answers[2] == SECCOMP_ANSWERS_CALL);
    ask((const struct sock_fprog[]){all[1], all[0]}, 2);
    CHECK(answers[0] == SECCOMP_ANSWERS_HARM && answers[1] == SECCOMP_ANSWERS_CALL);
}

TEST(a_process_without_a_filter_gives_no_answer) {
    ask(NULL, 0);
    CHECK(answers[0] == SECCOMP_NO_ANSWER);
}

/* --- the door --- */

static char steps[64];
static const char *seen_options;

static void *save(void) {
    strcat(steps, "save ");
    return steps;
}

static void restore(void *state) {
    strcat(steps, state == steps ? "restore " : "wrong ");
}

static void *open_nothing(const char *path, int flags) {
    (void)flags;
    strcat(steps, "open ");
    return strcmp(path, "there") == 0 ? steps : NULL;
}

static void *find_entry(void *handle, const char *name);

static char *tell_error(void) {
    strcat(steps, "error ");
    return (char *)"no such library";
}

static int entry(const char *options) {
    strcat(steps, "entry");
    seen_options = options;
    return 42;
}

static void *find_entry(void *handle, const char *name) {
    strcat(steps, "find ");
    return handle == steps && strcmp(name, "entry") == 0 ? (void *)entry : NULL;
}

typedef int (*door_function)(struct door *door);

static door_function door_open(void) {
    struct door_code code = door_code();
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memcpy(page, code.bytes, code.size);
    mprotect(page, 4096, PROT_READ | PROT_EXEC);
    return code.size ? (door_function)page : NULL;
}

static struct door door_make(const char *path) {
    struct door door = {.process = (uint64_t)getpid(), .save_thread = (uint64_t)save, .restore_thread = (uint64_t)restore,
                        .open = (uint64_t)open_nothing, .find = (uint64_t)find_entry, .error = (uint64_t)tell_error,
                        .descriptor = (uint32_t)open("/dev/null", O_RDONLY), .name = "entry", .options = "a=1"};
    strcpy(door.path, path);
    steps[0] = '\0';
    seen_options = NULL;
    return door;
}

TEST(a_door_loads_and_calls) {
    door_function enter = door_open();
    struct door door = door_make("there");
    CHECK_EQUAL(enter(&door), 0);
    CHECK_TEXT(steps, "save open find restore entry");
    CHECK(seen_options == door.options);
    CHECK_EQUAL(door.state, DOOR_DONE);
    CHECK_EQUAL(door.result, 42);
    CHECK_EQUAL(fcntl((int)door.descriptor, F_GETFD), -1);
    CHECK_EQUAL(enter(&door), 0);
    CHECK_TEXT(steps, "save open find restore entry");
}

TEST(a_door_tells_why_nothing_was_loaded) {
    door_function enter = door_open();
    struct door door = door_make("nowhere");
    CHECK_EQUAL(enter(&door), 0);
    CHECK_TEXT(steps, "save open error restore ");
    CHECK_TEXT(door.message, "no such library");
    CHECK_EQUAL(door.result, DOOR_NOT_LOADED);
    CHECK_EQUAL(door.state, DOOR_DONE);
    CHECK_EQUAL(fcntl((int)door.descriptor, F_GETFD), -1);
}

TEST(a_door_calls_what_is_loaded) {
    door_function enter = door_open();
    struct door door = door_make("");
    door.entry = (uint64_t)entry;
    CHECK_EQUAL(enter(&door), 0);
    CHECK_TEXT(steps, "entry");
    CHECK_EQUAL(door.result, 42);
    CHECK_EQUAL(close((int)door.descriptor), 0);
}

TEST(a_door_is_closed_for_children) {
    door_function enter = door_open();
    struct door door = door_make("there");
    door.process++;
    CHECK_EQUAL(enter(&door), 0);
    CHECK_TEXT(steps, "");
    CHECK_EQUAL(door.state, DOOR_WAITS);
    CHECK_EQUAL(close((int)door.descriptor), 0);
}

static void test_doors(void) {
    if (!door_open())
        return;
    RUN(a_door_loads_and_calls);
    RUN(a_door_tells_why_nothing_was_loaded);
    RUN(a_door_calls_what_is_loaded);
    RUN(a_door_is_closed_for_children);
}

TEST_MAIN(RUN(symbols_are_found_in_memory); RUN(a_process_makes_calls_for_us_and_goes_on);
          RUN(a_process_that_has_ended_is_told); RUN(filters_are_asked_without_a_call);
          RUN(a_process_without_a_filter_gives_no_answer); test_doors();)
