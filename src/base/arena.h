/* Memory that is given back all at once.
 *
 * Results live in an arena that the caller passes ("allocate the result here"); temporaries live in a
 * scratch arena of the stage that needs them. Blocks are zeroed. An arena that cannot grow ends the program
 * through its `exhausted` hook: no caller checks for NULL. */
#ifndef CAULK_BASE_ARENA_H
#define CAULK_BASE_ARENA_H

#include <stddef.h>
#include <stdint.h>

struct arena_chunk;

struct arena {
    struct arena_chunk *chunks; /* newest first */
    size_t bytes;               /* mapped by this arena, chunk headers included */
};

/* An empty arena is all zeros: `struct arena arena = {0};` */
void arena_deinit(struct arena *arena);

/* `count` zeroed items of `size` bytes, aligned to 16. Blocks over 256 KiB are mapped by themselves. Never
 * NULL: prints "caulk: out of memory" and exits with STATUS_INTERNAL instead, which is safe at any time
 * because the kernel kills a picture when its tracer ends. */
void *arena_allocate(struct arena *arena, size_t size, size_t count);

/* Gives back one large block early, the newest of that address; for stages with a tight peak. A block that
 * does not stand alone in its chunk stays until arena_deinit. */
void arena_release(struct arena *arena, void *block);

/* All that `from` has lives as long as `arena` from now on; `from` is empty then. */
void arena_join(struct arena *arena, struct arena *from);

char *arena_copy_text(struct arena *arena, const char *text, size_t length);
char *arena_format(struct arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define arena_new(arena, type, count) ((type *)arena_allocate((arena), sizeof(type), (count)))

#endif
