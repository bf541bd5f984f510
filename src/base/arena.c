/* Chunks of mapped memory in a list; allocation moves a cursor. */
#include "base/arena.h"

#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct arena_chunk {
    struct arena_chunk *next;
    size_t size; /* of the mapping, this header included */
    size_t used;
    size_t unused; /* keeps the header a multiple of 16 */
};

enum { CHUNK_SIZE = 1 << 20, LARGE = 1 << 18 };

static void exhausted(size_t bytes) {
    fprintf(stderr, "caulk: out of memory (%zu bytes more were needed)\n", bytes);
    _exit(STATUS_INTERNAL);
}

static struct arena_chunk *add_chunk(struct arena *arena, size_t size) {
    size = (size + 4095) & ~(size_t)4095;
    struct arena_chunk *chunk = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (chunk == MAP_FAILED) {
        exhausted(size);
        return NULL;
    }
    *chunk = (struct arena_chunk){arena->chunks, size, sizeof *chunk, 0};
    arena->chunks = chunk;
    arena->bytes += size;
    return chunk;
}

/* A large block stands alone, behind the chunk that small blocks are still taken from. */
static void *allocate_large(struct arena *arena, size_t bytes) {
    struct arena_chunk *current = arena->chunks;
    struct arena_chunk *chunk = add_chunk(arena, bytes + sizeof *chunk);
    chunk->used = chunk->size;
    if (current) {
        arena->chunks = current;
        chunk->next = current->next;
        current->next = chunk;
    }
    return chunk + 1;
}

void *arena_allocate(struct arena *arena, size_t size, size_t count) {
    size_t bytes;
    if (__builtin_mul_overflow(size, count, &bytes) || bytes > SIZE_MAX / 4)
        exhausted(SIZE_MAX);
    bytes = (bytes + 15) & ~(size_t)15;
    if (bytes >= LARGE)
        return allocate_large(arena, bytes);
    struct arena_chunk *chunk = arena->chunks;
    if (!chunk || chunk->size - chunk->used < bytes)
        chunk = add_chunk(arena, CHUNK_SIZE);
    void *block = (char *)chunk + chunk->used;
    chunk->used += bytes;
    return block;
}

void arena_release(struct arena *arena, void *block) {
    for (struct arena_chunk **link = &arena->chunks; *link; link = &(*link)->next) {
        struct arena_chunk *chunk = *link;
        if ((void *)(chunk + 1) != block || chunk->used != chunk->size)
            continue;
        *link = chunk->next;
        arena->bytes -= chunk->size;
        munmap(chunk, chunk->size);
        return;
    }
}

void arena_join(struct arena *arena, struct arena *from) {
    struct arena_chunk **end = &arena->chunks;
    while (*end)
        end = &(*end)->next;
    *end = from->chunks;
    arena->bytes += from->bytes;
    *from = (struct arena){0};
}

void arena_deinit(struct arena *arena) {
    while (arena->chunks) {
        struct arena_chunk *chunk = arena->chunks;
        arena->chunks = chunk->next;
        munmap(chunk, chunk->size);
    }
    arena->bytes = 0;
}

char *arena_copy_text(struct arena *arena, const char *text, size_t length) {
    char *copy = arena_allocate(arena, 1, length + 1);
    if (length)
        memcpy(copy, text, length);
    return copy;
}

char *arena_format(struct arena *arena, const char *format, ...) {
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    char *text = arena_allocate(arena, 1, (size_t)(length > 0 ? length : 0) + 1);
    if (length > 0)
        vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    return text;
}
