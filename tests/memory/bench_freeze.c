/* Measures pictures, by hand: bench_freeze PID [times], or bench_freeze --megabytes N [times] with a target
 * of its own of N MB in pages of 4 KiB. */
#include "memory/freeze.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TIMES_MAX = 1000 };

static int compare(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return a < b ? -1 : a > b;
}

static void print_spread(const char *name, double *values, int count) {
    qsort(values, (size_t)count, sizeof *values, compare);
    printf("%-12s min %8.2f  median %8.2f  max %8.2f\n", name, values[0], values[count / 2], values[count - 1]);
}

static pid_t start_target(size_t megabytes) {
    int ready[2];
    if (pipe(ready) != 0)
        return -1;
    pid_t child = fork();
    if (child)
        return read(ready[0], &(char){0}, 1) == 1 ? child : -1;
    size_t length = megabytes << 20;
    char *memory = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    madvise(memory, length, MADV_NOHUGEPAGE);
    for (size_t i = 0; i < length; i += 64)
        memory[i] = (char)i;
    if (write(ready[1], "", 1) == 1)
        for (;;)
            pause();
    _exit(1);
}

static int measure(int pid, int times) {
    static double pauses[TIMES_MAX], copies[TIMES_MAX], rates[TIMES_MAX];
    struct freeze_options options = {0};
    struct freeze_statistics statistics = {0};
    uint64_t copied = 0, length = 0;
    int retries = 0;
    options.pause = getenv("PAUSE") != NULL;
    for (int i = 0; i < times; i++) {
        struct image *image;
        struct error *error = freeze_and_copy(pid, &options, &image, &statistics);
        if (error) {
            printf("%s (status %d)\n", error->message, error->status);
            return 1;
        }
        copied = image->copied;
        length = image->length;
        retries += statistics.retries;
        pauses[i] = statistics.pause_ms;
        copies[i] = statistics.copy_ms;
        rates[i] = (double)copied / statistics.copy_ms / 1e6;
        memory_close(&image->memory);
    }
    printf("%d pictures of %d threads, %.1f MB copied in a range of %.1f MB, %d retries\n", times,
           statistics.threads, (double)copied / 1e6, (double)length / 1e6, retries);
    print_spread("pause ms", pauses, times);
    print_spread("copy ms", copies, times);
    print_spread("copy GB/s", rates, times);
    return 0;
}

int main(int count, char **words) {
    bool own = count > 2 && strcmp(words[1], "--megabytes") == 0;
    int times_at = own ? 3 : 2;
    int times = count > times_at ? atoi(words[times_at]) : 15;
    if (count < 2 || times < 1 || times > TIMES_MAX)
        return 64;
    pid_t pid = own ? start_target((size_t)atoi(words[2])) : atoi(words[1]);
    int failed = measure(pid, times);
    if (own) {
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
    }
    return failed;
}
