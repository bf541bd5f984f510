/* Which function an address of an ELF file belongs to, by the file on disk: what runs it is not asked. */
#ifndef CAULK_MEMORY_ELF_NAMES_H
#define CAULK_MEMORY_ELF_NAMES_H

#include "base/arena.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct elf_name {
    uint64_t begin, end; /* as the file counts; end is begin if its size is not known */
    const char *name;
};

struct elf_names {
    struct elf_name *list; /* by begin */
    size_t count;
};

/* The functions of the file at `path`, if it is the one with this build id (hexadecimal digits; "" takes any), and of
 * its debug file (elf_disk.h). None if there is no such file. */
void elf_names_read(const char *path, const char *build_id, struct arena *arena, struct elf_names *out);

/* The function that `address` lies in, or NULL: never one that merely begins before it. O(log count). */
const struct elf_name *elf_names_find(const struct elf_names *names, uint64_t address);

#endif
