/* Numbers as people read them, and text of the target made safe for a terminal. */
#include "report/words.h"

#include <math.h>

static struct words scaled(double value, double step, const char *const *units, size_t unit_count) {
    size_t unit = 0;
    while (unit + 1 < unit_count && fabs(value) >= step * 0.9995) {
        value /= step;
        unit++;
    }
    struct words words;
    int decimals = unit > 0 && fabs(value) < 99.95 ? 1 : 0;
    snprintf(words.text, sizeof words.text, "%.*f %s", decimals, value, units[unit]);
    return words;
}

struct words words_bytes(uint64_t bytes) {
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    return scaled((double)bytes, 1024, units, 6);
}

struct words words_rate(double bytes_per_second) {
    static const char *const units[] = {"B/s", "kB/s", "MB/s", "GB/s", "TB/s"};
    if (fabs(bytes_per_second) < 0.5)
        bytes_per_second = 0;
    return scaled(bytes_per_second, 1000, units, 5);
}

struct words words_count(uint64_t count) {
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%llu", (unsigned long long)count);
    struct words words;
    char *end = words.text;
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0)
            *end++ = ',';
        *end++ = digits[i];
    }
    *end = 0;
    return words;
}

struct words words_share(uint64_t part, uint64_t whole) {
    struct words words;
    uint64_t hundredths = whole ? (uint64_t)((double)part / (double)whole * 10000) : 10000;
    if (part >= whole)
        snprintf(words.text, sizeof words.text, "100 %%");
    else
        snprintf(words.text, sizeof words.text, "%u.%02u %%", (unsigned)(hundredths / 100), (unsigned)(hundredths % 100));
    return words;
}

struct words words_percent(double share) {
    double percent = share * 100;
    struct words words;
    if (percent > 0 && percent < 0.1)
        snprintf(words.text, sizeof words.text, "under 0.1 %%");
    else
        snprintf(words.text, sizeof words.text, "%.*f %%", percent > 0 && percent < 9.95 ? 1 : 0, percent);
    return words;
}

/* Well-formed sequences by the first two bytes (Unicode, table 3-7). */
size_t words_utf8_length(struct span text) {
    const unsigned char *bytes = (const unsigned char *)text.data;
    if (text.length == 0)
        return 0;
    unsigned char first = bytes[0];
    if (first < 0x80)
        return 1;
    size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || text.length < length)
        return 0;
    unsigned char low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    unsigned char high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    if (bytes[1] < low || bytes[1] > high)
        return 0;
    for (size_t i = 2; i < length; i++)
        if ((bytes[i] & 0xc0) != 0x80)
            return 0;
    return length;
}

/* One character of `text` that is safe to show, or 0 if it is not. */
static size_t printable_length(struct span text) {
    size_t length = words_utf8_length(text);
    unsigned char first = (unsigned char)text.data[0];
    if (length == 1 && (first < 0x20 || first == 0x7f))
        return 0;
    if (length == 2 && first == 0xc2 && (unsigned char)text.data[1] < 0xa0)
        return 0;
    return length;
}

static size_t print(FILE *out, const char *text) {
    struct span rest = span_from_text(text);
    size_t columns = 0;
    while (rest.length) {
        size_t length = printable_length(rest);
        if (out && length)
            fwrite(rest.data, 1, length, out);
        else if (out)
            fputc('?', out);
        size_t taken = length ? length : 1;
        rest = (struct span){rest.data + taken, rest.length - taken};
        columns++;
    }
    return columns;
}

size_t words_print(FILE *out, const char *text) {
    return print(out, text);
}

size_t words_width(const char *text) {
    return print(NULL, text);
}

/* "lib/python3.11/site-packages/flask/app.py": behind the folder of packages, else of the library. */
static const char *in_library(const char *path) {
    static const char *const packages[] = {"/site-packages/", "/dist-packages/"};
    for (size_t i = 0; i < 2; i++) {
        const char *found = strstr(path, packages[i]);
        if (found)
            return found + strlen(packages[i]);
    }
    const char *library = strstr(path, "/lib/python3");
    const char *end = library ? strchr(library + strlen("/lib/"), '/') : NULL;
    return end ? end + 1 : NULL;
}

const char *words_file(const char *path, const char *folder) {
    size_t length = strlen(folder);
    const char *library = in_library(path);
    if (library)
        return library;
    return length > 1 && strncmp(path, folder, length) == 0 && path[length] == '/' ? path + length + 1 : path;
}
