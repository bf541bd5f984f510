/* Numbers as people read them, and text of the target made safe for a terminal. */
#ifndef CAULK_REPORT_WORDS_H
#define CAULK_REPORT_WORDS_H

#include "base/span.h"

#include <stdio.h>

/* A short text by value: `words_bytes(n).text` lives until the end of the full expression. */
struct words {
    char text[32];
};

struct words words_bytes(uint64_t bytes);       /* "312 B", "14.2 KiB", "1.6 GiB" */
struct words words_rate(double bytes_per_second); /* "850 B/s", "2.1 MB/s", "-3.0 kB/s" */
struct words words_count(uint64_t count);       /* "1,204,331" */
struct words words_percent(double share);       /* 0.97: "97 %", 0.004: "0.4 %" */

struct words words_share(uint64_t part, uint64_t whole); /* "99.98 %", rounded down: "100 %" is all of it */

/* Writes text of unknown origin: control characters and broken UTF-8 become "?", so that no name in the
 * target can move the cursor of whoever reads the report. Returns the columns written. */
size_t words_print(FILE *out, const char *text);

/* The file of Python code as short as a person knows it: without the current folder, without where Python's library
 * and installed packages are. Points into `path`. */
const char *words_file(const char *path, const char *folder);

/* Columns that words_print would write. */
size_t words_width(const char *text);

/* Length of the well-formed UTF-8 sequence at the start of `text`, 0 if there is none. */
size_t words_utf8_length(struct span text);

#endif
