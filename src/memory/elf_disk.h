/* ELF files on disk: the one that ran, and the debug file that was split from it. They are read, never mapped. */
#ifndef CAULK_MEMORY_ELF_DISK_H
#define CAULK_MEMORY_ELF_DISK_H

#include "base/arena.h"

#include <libelf.h>
#include <stdbool.h>

struct elf_disk {
    int file;
    Elf *elf;
};

/* Opens the file at `path` if it is an ELF file with this build id (hexadecimal digits; "" takes any). */
bool elf_disk_open(const char *path, const char *build_id, struct elf_disk *out);
void elf_disk_close(struct elf_disk *disk);

/* Whether it has line numbers in it. */
bool elf_disk_has_lines(const struct elf_disk *disk);

/* The debug file of the file at `path`: by its build id below /usr/lib/debug/.build-id, else by the name that its
 * .gnu_debuglink has, beside it, in .debug beside it, or below /usr/lib/debug. Only if it belongs to that file, by its
 * build id or, where that has none, by its checksum. */
bool elf_disk_open_debug(const char *path, const char *build_id, struct elf_disk *out);

#endif
