/* Text that is put together piece by piece. */
#ifndef CAULK_BASE_TEXT_H
#define CAULK_BASE_TEXT_H

#include "base/span.h"

/* All zeros is an empty text. `data` always ends with a NUL once something was added. */
struct text {
    char *data;
    size_t length;
    size_t capacity;
};

void text_add(struct text *text, const char *piece);
void text_add_span(struct text *text, struct span piece);
void text_format(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_clear(struct text *text);
void text_deinit(struct text *text);

static inline const char *text_get(const struct text *text) { return text->data ? text->data : ""; }
static inline struct span text_span(const struct text *text) {
    return (struct span){text->data, text->length};
}

#endif
