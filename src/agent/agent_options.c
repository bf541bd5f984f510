/* The line of words that starts the agent. */
#include "agent/agent_work.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_INTERVAL ((uint64_t)512 << 10)
#define DEFAULT_MEMORY ((uint64_t)16 << 20)
#define DEFAULT_BUDGET 0.01

enum { SMALLEST_MEMORY = 1 << 20 };

static bool read_number(const char *text, uint64_t *out) {
    char *end;
    errno = 0;
    *out = strtoull(text, &end, 10);
    return end != text && !*end && !errno && *text != '-';
}

/* "0.01". Not strtod: what that takes for the point is the program's own choice (setlocale). */
static bool read_share(const char *text, double *out) {
    double unit = 1;
    bool fraction = false;
    *out = 0;
    for (; *text; text++) {
        if (*text == '.' && !fraction) {
            fraction = true;
            continue;
        }
        if (*text < '0' || *text > '9')
            return false;
        *out = *out * 10 + (*text - '0');
        unit *= fraction ? 10 : 1;
    }
    *out /= unit;
    return *out > 0;
}

static bool read_path(const char *text, size_t capacity, char *out) {
    size_t length = strlen(text);
    if (length >= capacity)
        return false;
    memcpy(out, text, length + 1);
    return true;
}

static bool read_word(const char *word, struct agent_options *options) {
    uint64_t number = 0;
    if (!strncmp(word, "file=", 5))
        return read_path(word + 5, sizeof options->file, options->file);
    if (!strncmp(word, "spare=", 6))
        return read_path(word + 6, sizeof options->spare, options->spare);
    if (!strncmp(word, "budget=", 7))
        return read_share(word + 7, &options->budget);
    if (!strncmp(word, "interval=", 9))
        return read_number(word + 9, &options->interval) && options->interval > 0;
    if (!strncmp(word, "memory=", 7))
        return read_number(word + 7, &options->memory) && options->memory >= SMALLEST_MEMORY;
    if (strncmp(word, "native=", 7) || !read_number(word + 7, &number) || number > 2)
        return false;
    options->native = (int)number;
    return true;
}

int agent_options_read(const char *words, struct agent_options *out) {
    memset(out, 0, sizeof *out);
    out->interval = DEFAULT_INTERVAL;
    out->memory = DEFAULT_MEMORY;
    out->budget = DEFAULT_BUDGET;
    while (*words) {
        char word[sizeof out->file + 16];
        size_t length = strcspn(words, " ");
        if (length >= sizeof word)
            return EINVAL;
        memcpy(word, words, length);
        word[length] = 0;
        if (length && !read_word(word, out))
            return EINVAL;
        words += length + (words[length] == ' ');
    }
    return 0;
}
