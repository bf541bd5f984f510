/* A library that keeps, gives back and mistreats memory, for test_attach_native.py. */
#include <dlfcn.h>
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { SLOTS = 64 };

static void *volatile kept[1 << 16];
static int kept_count;

static void keep(void *block) {
    kept[kept_count++] = block;
}

void leak(int count, size_t size) {
    for (int i = 0; i < count; i++)
        keep(memset(malloc(size), i, size));
}

void drop(void) {
    while (kept_count > 0)
        free(kept[--kept_count]);
}

/* One block of `size` bytes by each function. */
void leak_by_all(size_t size) {
    void *aligned;
    keep(calloc(4, size / 4));
    keep(realloc(malloc(size / 2), size));
    keep(reallocarray(NULL, 4, size / 4));
    keep(posix_memalign(&aligned, 64, size) == 0 ? aligned : NULL);
    keep(aligned_alloc(128, size));
    keep(memalign(256, size));
}

void churn(int count, size_t size) {
    for (int i = 0; i < count; i++) {
        void *volatile block = malloc(size);
        block = realloc(block, size * 3);
        void *volatile cleared = calloc(2, size);
        free(block);
        free(cleared);
    }
}

void leak_mapping(size_t size) {
    char *mapped = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(mapped, size / 2);
    keep(mremap(mapped + size / 2, size / 2, size, MREMAP_MAYMOVE));
    kept_count--;
}

/* Blocks that the C library itself resizes or frees: the agent sees them born only. 0 if all is as it should be. */
int mistreat(int count, void (*other_free)(void *block)) {
    int wrong = 0;
    for (int i = 0; i < count; i++) {
        size_t room = 8;
        char *line = malloc(room), text[] = "a line that is longer than the room for it\n";
        FILE *stream = fmemopen(text, sizeof text - 1, "r");
        wrong += getline(&line, &room, stream) != (long)sizeof text - 1 || strcmp(line, text) != 0;
        fclose(stream);
        free(line);
        other_free(malloc(3000));
    }
    return wrong;
}

/* The loader looks among what the caller of dlsym can see: its own functions, which nobody else can. */
int finds_itself(void) {
    return dlsym(RTLD_DEFAULT, "finds_itself") == (void *)finds_itself;
}

/* --- threads that allocate as fast as they can, and look whether all is as they left it --- */

static int stopped, wrong;
static void *shared[SLOTS];
static pthread_t threads[8];

static void *allocate_on(void *argument) {
    unsigned seed = (unsigned)(uintptr_t)argument;
    while (!__atomic_load_n(&stopped, __ATOMIC_RELAXED)) {
        size_t size = (size_t)(rand_r(&seed) % 900) + sizeof(size_t);
        size_t *block = rand_r(&seed) % 2 ? malloc(size) : calloc(1, size);
        memset(block, 0x5a, size);
        *block = size;
        if (size % 3 == 0)
            block = realloc(block, size * 2);
        size_t *old = __atomic_exchange_n(&shared[rand_r(&seed) % SLOTS], block, __ATOMIC_ACQ_REL);
        if (old && *old > sizeof(size_t) && ((unsigned char *)old)[*old - 1] != 0x5a)
            __atomic_fetch_add(&wrong, 1, __ATOMIC_RELAXED);
        free(old);
    }
    return NULL;
}

void threads_begin(int count) {
    stopped = 0;
    for (int i = 0; i < count; i++)
        pthread_create(&threads[i], NULL, allocate_on, (void *)(uintptr_t)(i + 1));
}

int threads_end(int count) {
    __atomic_store_n(&stopped, 1, __ATOMIC_RELAXED);
    for (int i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < SLOTS; i++)
        free(__atomic_exchange_n(&shared[i], NULL, __ATOMIC_ACQ_REL));
    return wrong;
}
