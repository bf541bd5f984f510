/* Source lines of addresses, asked of a child that may come to grief over the file. */
#include "memory/elf_lines.h"

#include "memory/elf_disk.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    SECONDS_MOST = 15,
    ANSWER_BYTES_MOST = 64 << 20,
    ROOM_BYTES = 1 << 30, /* for the child's own work, beside the file */
    FILES_ROOM = 4,       /* times the file: it is mapped, and parts of it may be packed */
};

static uint64_t address_space(void) {
    unsigned long long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (!file || fscanf(file, "%llu", &pages) != 1)
        pages = 0;
    if (file)
        fclose(file);
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void limit(int which, uint64_t most) {
    struct rlimit now;
    if (getrlimit(which, &now) == 0 && (now.rlim_cur == RLIM_INFINITY || now.rlim_cur > most)) {
        now.rlim_cur = most;
        setrlimit(which, &now);
    }
}

/* It ends with its parent, soon at any rate, and in silence. */
static void confine(int file, pid_t parent) {
    struct stat status = {0};
    struct sigaction usual = {.sa_handler = SIG_DFL};
    sigset_t alarms;
    sigemptyset(&alarms);
    sigaddset(&alarms, SIGALRM);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
    sigaction(SIGALRM, &usual, NULL);
    sigaction(SIGPIPE, &usual, NULL);
    sigprocmask(SIG_UNBLOCK, &alarms, NULL);
    alarm(SECONDS_MOST);
    fstat(file, &status);
    limit(RLIMIT_CORE, 0);
    limit(RLIMIT_AS, address_space() + ROOM_BYTES + FILES_ROOM * (uint64_t)status.st_size);
    int nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int i = 0; nowhere >= 0 && i < 3; i++)
        dup2(nowhere, i);
}

static void work(int file, const uint64_t *addresses, size_t count, int pipe, pid_t parent) {
    confine(file, parent);
    FILE *out = fdopen(pipe, "w");
    if (out) {
        elf_lines_tell(file, addresses, count, out);
        fflush(out);
    }
    _exit(0);
}

/* All that comes, up to a bound; its length. */
static size_t read_all(int pipe, char **out) {
    size_t length = 0, room = 0;
    ssize_t got = 1;
    *out = NULL;
    while (got != 0 && length < ANSWER_BYTES_MOST) {
        if (length == room) {
            char *more = realloc(*out, room = room ? 2 * room : 1 << 16);
            if (!more)
                break;
            *out = more;
        }
        got = read(pipe, *out + length, room - length);
        if (got < 0 && errno != EINTR)
            break;
        length += got > 0 ? (size_t)got : 0;
    }
    return length;
}

static void take_answer(const struct elf_lines_answer *answer, const char *texts, size_t count, struct arena *arena,
                        struct elf_place *out) {
    struct elf_place *place = answer->index < count ? &out[answer->index] : NULL;
    if (!place || !answer->line || !answer->file_length || place->count == ELF_LINES_MOST)
        return;
    if (!place->lines)
        place->lines = arena_new(arena, struct elf_line, ELF_LINES_MOST);
    struct elf_line *line = &place->lines[place->count++];
    if (answer->function_length)
        line->function = arena_copy_text(arena, texts, answer->function_length);
    line->file = arena_copy_text(arena, texts + answer->function_length, answer->file_length);
    line->line = answer->line;
}

/* A child that the file led astray may have written anything. */
static void take_answers(const char *bytes, size_t length, size_t count, struct arena *arena, struct elf_place *out) {
    struct elf_lines_answer answer;
    for (size_t at = 0; length - at >= sizeof answer;) {
        memcpy(&answer, bytes + at, sizeof answer);
        at += sizeof answer;
        if (answer.function_length > ELF_LINES_TEXT_MOST || answer.file_length > ELF_LINES_TEXT_MOST ||
            answer.function_length + answer.file_length > length - at)
            return;
        take_answer(&answer, bytes + at, count, arena, out);
        at += answer.function_length + answer.file_length;
    }
}

static void ask_child(int file, const uint64_t *addresses, size_t count, struct arena *arena, struct elf_place *out) {
    int ends[2];
    char *bytes;
    if (pipe2(ends, O_CLOEXEC) != 0)
        return;
    pid_t parent = getpid(), child = fork();
    if (child == 0) {
        close(ends[0]);
        work(file, addresses, count, ends[1], parent);
    }
    close(ends[1]);
    size_t length = child > 0 ? read_all(ends[0], &bytes) : 0;
    close(ends[0]);
    if (child < 0)
        return;
    kill(child, SIGKILL); /* it has told all, or too much */
    while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
        ;
    take_answers(bytes, length, count, arena, out);
    free(bytes);
}

void elf_lines_read(const char *path, const char *build_id, const uint64_t *addresses, size_t count, struct arena *arena,
                    struct elf_place *out) {
    struct elf_disk disk;
    memset(out, 0, count * sizeof *out);
    bool found = elf_disk_open(path, build_id, &disk);
    if (found && !elf_disk_has_lines(&disk)) {
        elf_disk_close(&disk);
        found = false;
    }
    if (!found && (!elf_disk_open_debug(path, build_id, &disk)))
        return;
    if (elf_disk_has_lines(&disk))
        ask_child(disk.file, addresses, count, arena, out);
    elf_disk_close(&disk);
}
