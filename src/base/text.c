/* Text that is put together piece by piece. */
#include "base/text.h"

#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void reserve(struct text *text, size_t more) {
    size_t needed = text->length + more + 1;
    if (needed <= text->capacity)
        return;
    size_t capacity = needed < 64 ? 64 : needed * 2;
    char *data = realloc(text->data, capacity);
    if (!data) {
        fprintf(stderr, "caulk: out of memory (a text of %zu bytes)\n", needed);
        _exit(STATUS_INTERNAL);
    }
    text->data = data;
    text->capacity = capacity;
}

void text_add_span(struct text *text, struct span piece) {
    reserve(text, piece.length);
    if (piece.length)
        memcpy(text->data + text->length, piece.data, piece.length);
    text->length += piece.length;
    text->data[text->length] = 0;
}

void text_add(struct text *text, const char *piece) {
    text_add_span(text, span_from_text(piece));
}

void text_format(struct text *text, const char *format, ...) {
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (length > 0) {
        reserve(text, (size_t)length);
        vsnprintf(text->data + text->length, (size_t)length + 1, format, again);
        text->length += (size_t)length;
    }
    va_end(again);
}

void text_clear(struct text *text) {
    text->length = 0;
    if (text->data)
        text->data[0] = 0;
}

void text_deinit(struct text *text) {
    free(text->data);
    *text = (struct text){0};
}
