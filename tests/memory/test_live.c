/* Running processes: what can be read, what is refused in which words, and symbols of their files. */
#include "memory/elf_file.h"
#include "memory/image.h"
#include "memory/live.h"
#include "memory/page_map.h"
#include "support/check.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

int test_live_exported = 4711;
static char marked[] = "a text of the target";

static void sleep_ms(long ms) {
    nanosleep(&(struct timespec){.tv_nsec = ms * 1000000}, NULL);
}

static pid_t start_child(void (*body)(void)) {
    pid_t pid = fork();
    if (pid == 0) {
        if (body)
            body();
        for (;;)
            pause();
    }
    sleep_ms(30);
    return pid;
}

static void end_child(pid_t pid) {
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static void check_refused(int pid, enum error_status status, const char *words) {
    struct memory *memory = NULL;
    struct error *error = live_open(pid, &memory);
    CHECK(error && !memory);
    if (!error)
        return;
    CHECK_EQUAL(error->status, status);
    if (!strstr(error->message, words))
        CHECK_TEXT(error->message, words);
    CHECK(!strchr(error->message, '\n'));
    error_discard(error);
}

static void change_mark(void) { marked[0] = 'A'; }

TEST(a_live_process_is_read) {
    pid_t pid = start_child(change_mark);
    struct memory *memory = NULL;
    CHECK(!live_open(pid, &memory));
    char out[64];
    CHECK(memory_read_text(memory, (uintptr_t)marked, sizeof out, out));
    CHECK_TEXT(out, "A text of the target");
    CHECK(!memory_read(memory, 0, 8, out));
    CHECK(!memory_read(memory, UINT64_MAX - 4, 8, out));
    const struct memory_segment *segment = memory_find_segment(memory, (uintptr_t)marked);
    CHECK(segment && (segment->flags & SEGMENT_WRITE) && strstr(segment->path, "test_live"));
    segment = memory_find_segment(memory, (uintptr_t)out);
    CHECK(segment && (segment->flags & SEGMENT_STACK) && !(segment->flags & SEGMENT_FILE));
    for (size_t i = 1; i < memory->segment_count; i++)
        CHECK(memory->segments[i - 1].end <= memory->segments[i].begin);
    CHECK_EQUAL(memory->pid, pid);
    memory_close(memory);
    end_child(pid);
}

TEST(what_cannot_be_read_is_refused_in_words) {
    check_refused(0, STATUS_NO_TARGET, "no process 0");
    check_refused(-5, STATUS_NO_TARGET, "no process");
    check_refused(0x3ffffff, STATUS_NO_TARGET, "no process");
    check_refused(getpid(), STATUS_USAGE, "caulk itself");
    pid_t pid = start_child(NULL);
    kill(pid, SIGKILL);
    sleep_ms(30);
    check_refused(pid, STATUS_NO_TARGET, "zombie");
    waitpid(pid, NULL, 0);
    check_refused(pid, STATUS_NO_TARGET, "no process");
    if (access("/proc/2/stat", R_OK) == 0 && getppid() != 2)
        check_refused(2, STATUS_NOT_PYTHON, "kernel");
}

TEST(a_traced_process_names_its_tracer) {
    pid_t pid = start_child(NULL);
    char words[64];
    snprintf(words, sizeof words, "by test_live (process %d)", getpid());
    CHECK_EQUAL(ptrace(PTRACE_SEIZE, pid, 0, 0), 0);
    check_refused(pid, STATUS_BUSY, words);
    end_child(pid);
}

static pid_t thread_of_child;

static void *report_thread(void *argument) {
    if (write(*(int *)argument, &(pid_t){(pid_t)syscall(SYS_gettid)}, sizeof(pid_t)) < 0)
        _exit(3);
    for (;;)
        pause();
    return NULL;
}

static int report[2];

static void start_thread(void) {
    pthread_t thread;
    pthread_create(&thread, NULL, report_thread, &report[1]);
}

TEST(a_thread_is_refused_with_the_number_of_its_process) {
    CHECK_EQUAL(pipe(report), 0);
    pid_t pid = start_child(start_thread);
    CHECK(read(report[0], &thread_of_child, sizeof thread_of_child) == sizeof thread_of_child);
    char words[64];
    snprintf(words, sizeof words, "is a thread of process %d", pid);
    check_refused(thread_of_child, STATUS_NO_TARGET, words);
    end_child(pid);
}

/* As another user, when the test runs as root. */
TEST(somebody_elses_process_is_refused_with_a_remedy) {
    if (geteuid() != 0)
        return;
    pid_t pid = start_child(NULL);
    pid_t asker = fork();
    if (asker == 0) {
        struct memory *memory = NULL;
        if (setresuid(65534, 65534, 65534) != 0)
            _exit(1);
        struct error *error = live_open(pid, &memory);
        _exit(error && error->status == STATUS_PERMISSION && strstr(error->message, "sudo") ? 42 : 1);
    }
    int status = 0;
    waitpid(asker, &status, 0);
    CHECK_EQUAL(WEXITSTATUS(status), 42);
    end_child(pid);
}

TEST(an_identity_says_who_it_is) {
    pid_t pid = fork();
    if (pid == 0) {
        execl("/bin/sleep", "sleep", "100", (char *)NULL);
        _exit(1);
    }
    sleep_ms(100);
    struct live_identity identity, again;
    CHECK(!live_identify(pid, &identity));
    CHECK_TEXT(identity.command, "sleep\x1f" "100");
    CHECK_EQUAL(identity.command_length, 9);
    CHECK(strstr(identity.executable, "/"));
    CHECK_EQUAL(identity.threads, 1);
    CHECK(identity.resident > 100 << 10 && identity.start_time > 0);
    CHECK(!live_identify(getpid(), &again));
    CHECK(again.start_time <= identity.start_time && identity.start_time - again.start_time < 6000);
    end_child(pid);
    struct error *error = live_identify(pid, &identity);
    CHECK(error && error->status == STATUS_NO_TARGET);
    error_discard(error);
}

enum { MEGABYTES = 24 };

static void fill_memory(void) {
    char *private = mmap(NULL, MEGABYTES << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *shared = mmap(NULL, MEGABYTES << 19, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    memset(private, 1, MEGABYTES << 20);
    memset(shared, 1, MEGABYTES << 19);
}

TEST(resident_memory_adds_up) {
    pid_t pid = start_child(fill_memory);
    struct live_resident resident = {0};
    for (int tries = 0; tries < 100 && resident.shared < MEGABYTES << 19; tries++) {
        sleep_ms(50);
        CHECK(!live_resident(pid, &resident));
    }
    CHECK(resident.anonymous >= MEGABYTES << 20);
    CHECK(resident.shared >= MEGABYTES << 19 && resident.shared < MEGABYTES << 20);
    CHECK(resident.file > 0 && resident.stacks > 0);
    CHECK_EQUAL(resident.total, resident.anonymous + resident.file + resident.shared + resident.stacks);
    end_child(pid);
}

static char blank[1 << 16]; /* zeros, of which a file has no bytes */

TEST(symbols_and_data_lie_where_the_linker_put_them) {
    pid_t pid = start_child(NULL);
    struct memory *memory = NULL;
    CHECK(!live_open(pid, &memory));
    const struct memory_segment *segment = memory_find_segment(memory, (uintptr_t)&test_live_exported);
    CHECK(elf_file_symbol(memory, segment, "test_live_exported") == (uintptr_t)&test_live_exported);
    CHECK(elf_file_symbol(memory, segment, "there_is_no_such_name") == 0);
    segment = memory_find_segment(memory, (uintptr_t)&fill_memory);
    CHECK(elf_file_symbol(memory, segment, "fill_memory") == (uintptr_t)&fill_memory);
    segment = memory_find_segment(memory, (uintptr_t)&test_live_exported);
    remote_address end = elf_file_data_end(memory, segment);
    CHECK((uintptr_t)&test_live_exported < end && (uintptr_t)blank + sizeof blank <= end && end < segment->end + (64 << 20));
    segment = memory_find_segment(memory, (uintptr_t)&end); /* the stack is no file */
    CHECK(elf_file_data_end(memory, segment) == segment->end);
    CHECK(elf_file_symbol(memory, segment, "fill_memory") == 0);
    memory_close(memory);
    end_child(pid);
}

/* The symbol of the C library is looked up there by the dynamic linker too. */
TEST(symbols_of_a_library_are_found) {
    pid_t pid = start_child(NULL);
    struct memory *memory = NULL;
    CHECK(!live_open(pid, &memory));
    size_t found = 0;
    for (size_t i = 0; i < memory->segment_count; i++)
        if (strstr(memory->segments[i].path, "/libc.so"))
            found += elf_file_symbol(memory, &memory->segments[i], "environ") == (uintptr_t)&environ ||
                     elf_file_symbol(memory, &memory->segments[i], "getppid") == (uintptr_t)&getppid;
    CHECK(found > 0);
    memory_close(memory);
    end_child(pid);
}

/* Both ways to ask the kernel agree. */
TEST(present_pages_are_found_with_and_without_scanning) {
    enum { PAGES = 5000 };
    char *memory = mmap(NULL, (size_t)PAGES << 12, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    madvise(memory, (size_t)PAGES << 12, MADV_NOHUGEPAGE);
    for (size_t page = 100; page < PAGES; page += page % 11 ? 1 : 40)
        memory[page << 12] = 1;
    struct page_map map;
    CHECK(page_map_open(getpid(), &map));
    struct vector expected = {0}, scanned = {0}, read = {0};
    for (size_t page = 100; page < PAGES; page += page % 11 ? 1 : 40)
        *vector_push(&expected, uint64_t) = (uintptr_t)memory + (page << 12);
    page_map_extents(&map, (uintptr_t)memory, (uintptr_t)memory + ((size_t)PAGES << 12), true, &scanned);
    map.scan = false;
    page_map_extents(&map, (uintptr_t)memory, (uintptr_t)memory + ((size_t)PAGES << 12), true, &read);
    CHECK_EQUAL(scanned.count, read.count);
    CHECK(read.count > 50 && memcmp(scanned.items, read.items, read.count * sizeof(struct page_extent)) == 0);
    size_t pages = 0;
    for (size_t i = 0; i < read.count; i++) {
        const struct page_extent *extent = &vector_items(&read, struct page_extent)[i];
        for (remote_address at = extent->begin; at < extent->end; at += 4096, pages++)
            CHECK(pages < expected.count && vector_items(&expected, uint64_t)[pages] == at);
    }
    CHECK_EQUAL(pages, expected.count);
    vector_deinit(&expected);
    vector_deinit(&scanned);
    vector_deinit(&read);
    page_map_close(&map);
    munmap(memory, (size_t)PAGES << 12);
}

static char *cut_short; /* a mapping of two pages, of a file of which one is left */

TEST(a_file_shorter_than_its_mapping_is_a_fault) {
    char path[] = "/tmp/caulk-test-XXXXXX";
    int file = mkstemp(path);
    unlink(path);
    CHECK(file >= 0 && ftruncate(file, 8192) == 0 && pwrite(file, "first", 6, 0) == 6 && pwrite(file, "x", 1, 4096) == 1);
    cut_short = mmap(NULL, 8192, PROT_READ, MAP_PRIVATE, file, 0);
    CHECK_EQUAL(cut_short[4096], 'x');
    pid_t pid = start_child(NULL);
    CHECK_EQUAL(ftruncate(file, 4096), 0);
    struct image *image = NULL;
    CHECK(!image_from_process(pid, getpid(), &image)); /* as if the child were a picture of ours */
    CHECK(image && image_view(image, (uintptr_t)cut_short, 6));
    CHECK_TEXT((const char *)image_view(image, (uintptr_t)cut_short, 6), "first");
    CHECK(!image_view(image, (uintptr_t)cut_short + 4096, 1));
    memory_close(&image->memory);
    end_child(pid);
    munmap(cut_short, 8192);
    close(file);
}

TEST_MAIN(RUN(a_live_process_is_read); RUN(what_cannot_be_read_is_refused_in_words);
          RUN(a_traced_process_names_its_tracer); RUN(a_thread_is_refused_with_the_number_of_its_process);
          RUN(somebody_elses_process_is_refused_with_a_remedy); RUN(an_identity_says_who_it_is);
          RUN(resident_memory_adds_up); RUN(symbols_and_data_lie_where_the_linker_put_them);
          RUN(symbols_of_a_library_are_found); RUN(present_pages_are_found_with_and_without_scanning);
          RUN(a_file_shorter_than_its_mapping_is_a_fault);)
