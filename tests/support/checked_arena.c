/* An arena whose blocks come from malloc one by one, so that AddressSanitizer sees the end of each. Linked instead of
 * base/arena.c by tests of code that reads untrusted bytes. */
#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct arena_chunk {
    struct arena_chunk *next;
    size_t size;
};

/* The chunk is a block of its own and remembers the address of the one it stands for. */
void *arena_allocate(struct arena *arena, size_t size, size_t count) {
    size_t bytes;
    struct arena_chunk *chunk = malloc(sizeof *chunk + sizeof(void *));
    if (!chunk || __builtin_mul_overflow(size, count, &bytes))
        abort();
    void *block = calloc(1, bytes ? bytes : 1);
    if (!block)
        abort();
    memcpy(chunk + 1, &block, sizeof block);
    *chunk = (struct arena_chunk){arena->chunks, bytes};
    arena->chunks = chunk;
    arena->bytes += bytes;
    return block;
}

void arena_release(struct arena *arena, void *block) {
    (void)arena;
    (void)block;
}

void arena_deinit(struct arena *arena) {
    while (arena->chunks) {
        struct arena_chunk *chunk = arena->chunks;
        void *block;
        arena->chunks = chunk->next;
        memcpy(&block, chunk + 1, sizeof block);
        free(block);
        free(chunk);
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
    va_list arguments;
    char *text = NULL;
    va_start(arguments, format);
    int length = vasprintf(&text, format, arguments);
    va_end(arguments);
    if (length < 0)
        abort();
    char *copy = arena_copy_text(arena, text, (size_t)length);
    free(text);
    return copy;
}
