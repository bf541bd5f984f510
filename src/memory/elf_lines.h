/* Which source lines addresses of an ELF file are of, by its debug information on disk: in the file itself or in its
 * debug file (elf_disk.h). Nothing is asked of a network.
 *
 * Debug information is large, written by many hands, and may be damaged or made to do harm. So it is read in a child
 * process of bounded time and memory that can do no more than write its answers into a pipe; what a child that came to
 * grief had not told is not known. */
#ifndef CAULK_MEMORY_ELF_LINES_H
#define CAULK_MEMORY_ELF_LINES_H

#include "base/arena.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct elf_line {
    const char *function; /* that was inlined; NULL: the one that the address lies in by its symbol */
    const char *file;
    uint32_t line;
};

/* Where an address is: the innermost inlined function first, the one that has the code last. */
struct elf_place {
    struct elf_line *lines;
    size_t count; /* 0: not known */
};

enum { ELF_LINES_MOST = 8 }; /* of one address */

/* Fills a place for each address, as the file at `path` counts them, if it is the one with this build id (hexadecimal
 * digits; "" takes any). */
void elf_lines_read(const char *path, const char *build_id, const uint64_t *addresses, size_t count, struct arena *arena,
                    struct elf_place *out);

/* --- between the files of this work --- */

/* Before the texts of its function and its file, in the pipe. Those of one address come in their order. */
struct elf_lines_answer {
    uint32_t index, line;
    uint32_t function_length, file_length; /* function 0: none */
};

enum { ELF_LINES_TEXT_MOST = 4096 };

/* What the child does. */
void elf_lines_tell(int file, const uint64_t *addresses, size_t count, FILE *out);

#endif
