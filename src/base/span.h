/* A piece of text by pointer and length: no terminator, no ownership. */
#ifndef CAULK_BASE_SPAN_H
#define CAULK_BASE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct span {
    const char *data; /* NULL only when length is 0 */
    size_t length;
};

#define SPAN(literal) ((struct span){(literal), sizeof(literal) - 1})

static inline struct span span_from_text(const char *text) {
    return (struct span){text, text ? strlen(text) : 0};
}

static inline bool span_equal(struct span a, struct span b) {
    return a.length == b.length && (a.length == 0 || memcmp(a.data, b.data, a.length) == 0);
}

static inline bool span_is(struct span a, const char *text) {
    return span_equal(a, span_from_text(text));
}

/* FNV-1a over the bytes, continued from `seed`. */
static inline uint64_t span_hash(struct span text, uint64_t seed) {
    uint64_t hash = seed ^ 0xcbf29ce484222325u;
    for (size_t i = 0; i < text.length; i++)
        hash = (hash ^ (unsigned char)text.data[i]) * 0x100000001b3u;
    return hash;
}

#endif
