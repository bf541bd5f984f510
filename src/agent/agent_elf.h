/* A loaded library as the loader's tables in memory describe it. */
#ifndef CAULK_AGENT_AGENT_ELF_H
#define CAULK_AGENT_AGENT_ELF_H

#include <link.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { AGENT_ELF_TABLES = 2 }; /* of relocations: data, calls */

struct agent_elf_table {
    const ElfW(Rela) *entries;
    size_t count;
};

struct agent_elf {
    uintptr_t base, begin, end;
    const ElfW(Phdr) *headers;
    size_t header_count;
    const ElfW(Sym) *symbols;
    const char *names;
    const uint32_t *gnu_hash, *hash;
    const char *own_name; /* DT_SONAME, "" if it has none */
    struct agent_elf_table tables[AGENT_ELF_TABLES];
    uintptr_t relro_begin, relro_end; /* pages that the loader made read-only */
    bool opened;                      /* they can be written at the moment */
};

/* False if it has no tables that make sense. */
bool agent_elf_read(const struct dl_phdr_info *info, struct agent_elf *out);

bool agent_elf_holds(const struct agent_elf *object, uintptr_t address);

/* Whether the loader maps this address to be written, before it makes some of it read-only. */
bool agent_elf_may_write(const struct agent_elf *object, uintptr_t address);

/* The address of the function `name` if this is where it is, and others can find it; else 0. */
uintptr_t agent_elf_find(const struct agent_elf *object, const char *name);

/* Whether it is the C library or a part of it, the loader too. */
bool agent_elf_is_libc(const struct agent_elf *object);

#endif
