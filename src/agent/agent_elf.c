/* Reads the tables of a loaded library: relocations, symbols, what is read-only. */
#include "agent/agent_elf.h"

#include <string.h>
#include <sys/auxv.h>

bool agent_elf_holds(const struct agent_elf *object, uintptr_t address) {
    return address - object->begin < object->end - object->begin;
}

bool agent_elf_may_write(const struct agent_elf *object, uintptr_t address) {
    for (size_t i = 0; i < object->header_count; i++) {
        const ElfW(Phdr) *header = &object->headers[i];
        uintptr_t begin = object->base + header->p_vaddr;
        if (header->p_type == PT_LOAD && header->p_flags & PF_W && address - begin < header->p_memsz)
            return true;
    }
    return false;
}

/* glibc has made the addresses absolute, other loaders have not. NULL if it is none of this library. */
static const void *pointer_of(const struct agent_elf *object, uintptr_t value) {
    uintptr_t address = value < object->base ? object->base + value : value;
    return agent_elf_holds(object, address) ? (const void *)address : NULL;
}

/* elf/dl-reloc.c: _dl_protect_relro. Only whole pages. */
static void read_headers(const struct dl_phdr_info *info, struct agent_elf *out) {
    uintptr_t page = getauxval(AT_PAGESZ);
    out->begin = UINTPTR_MAX;
    for (size_t i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[i];
        uintptr_t begin = info->dlpi_addr + header->p_vaddr, end = begin + header->p_memsz;
        if (header->p_type == PT_LOAD) {
            out->begin = begin < out->begin ? begin : out->begin;
            out->end = end > out->end ? end : out->end;
        } else if (header->p_type == PT_GNU_RELRO) {
            out->relro_begin = begin & ~(page - 1);
            out->relro_end = end & ~(page - 1);
        }
    }
}

static const ElfW(Dyn) *dynamic_of(const struct agent_elf *object) {
    for (size_t i = 0; i < object->header_count; i++)
        if (object->headers[i].p_type == PT_DYNAMIC)
            return (const ElfW(Dyn) *)(object->base + object->headers[i].p_vaddr);
    return NULL;
}

static void read_dynamic(struct agent_elf *out, const ElfW(Dyn) *entry) {
    struct agent_elf_table *data = &out->tables[0], *calls = &out->tables[1];
    size_t own_name = SIZE_MAX, relative = 0;
    bool has_addends = true;
    for (; entry->d_tag != DT_NULL; entry++) {
        uintptr_t value = entry->d_un.d_ptr;
        switch (entry->d_tag) {
        case DT_SYMTAB: out->symbols = pointer_of(out, value); break;
        case DT_STRTAB: out->names = pointer_of(out, value); break;
        case DT_GNU_HASH: out->gnu_hash = pointer_of(out, value); break;
        case DT_HASH: out->hash = pointer_of(out, value); break;
        case DT_RELA: data->entries = pointer_of(out, value); break;
        case DT_RELASZ: data->count = value / sizeof(ElfW(Rela)); break;
        case DT_RELACOUNT: relative = value; break;
        case DT_JMPREL: calls->entries = pointer_of(out, value); break;
        case DT_PLTRELSZ: calls->count = value / sizeof(ElfW(Rela)); break;
        case DT_PLTREL: has_addends = value == DT_RELA; break;
        case DT_SONAME: own_name = value; break;
        default: break;
        }
    }
    out->own_name = out->names && own_name != SIZE_MAX ? out->names + own_name : "";
    if (!calls->entries || !has_addends)
        *calls = (struct agent_elf_table){0};
    if (!data->entries || relative > data->count)
        *data = (struct agent_elf_table){0};
    else /* nameless ones come first */
        *data = (struct agent_elf_table){data->entries + relative, data->count - relative};
}

bool agent_elf_read(const struct dl_phdr_info *info, struct agent_elf *out) {
    *out = (struct agent_elf){.base = info->dlpi_addr, .headers = info->dlpi_phdr, .header_count = info->dlpi_phnum};
    read_headers(info, out);
    const ElfW(Dyn) *dynamic = dynamic_of(out);
    if (!dynamic || !agent_elf_holds(out, (uintptr_t)dynamic))
        return false;
    read_dynamic(out, dynamic);
    return out->symbols && out->names;
}

static uintptr_t definition(const struct agent_elf *object, uint32_t index, const char *name) {
    const ElfW(Sym) *symbol = &object->symbols[index];
    if (symbol->st_shndx == SHN_UNDEF || ELF64_ST_TYPE(symbol->st_info) != STT_FUNC ||
        strcmp(object->names + symbol->st_name, name) != 0)
        return 0;
    return object->base + symbol->st_value;
}

/* The words of DT_GNU_HASH: buckets, first symbol, words of the filter (64 bits each), shift; filter, buckets, chains. */
static uintptr_t find_by_gnu_hash(const struct agent_elf *object, const char *name) {
    const uint32_t *head = object->gnu_hash, *buckets = head + 4 + head[2] * (sizeof(ElfW(Addr)) / 4);
    uint32_t hash = 5381;
    for (const char *letter = name; *letter; letter++)
        hash = hash * 33 + (unsigned char)*letter;
    uint32_t index = head[0] ? buckets[hash % head[0]] : 0;
    if (index < head[1] || !index)
        return 0;
    const uint32_t *chains = buckets + head[0] - head[1];
    for (;; index++) {
        uintptr_t found = (chains[index] | 1) == (hash | 1) ? definition(object, index, name) : 0;
        if (found || chains[index] & 1)
            return found;
    }
}

/* The words of DT_HASH: buckets, symbols; buckets, chains. */
static uintptr_t find_by_hash(const struct agent_elf *object, const char *name) {
    uintptr_t found = 0;
    for (uint32_t index = 1; index < object->hash[1] && !found; index++)
        found = definition(object, index, name);
    return found;
}

uintptr_t agent_elf_find(const struct agent_elf *object, const char *name) {
    if (object->gnu_hash)
        return find_by_gnu_hash(object, name);
    return object->hash ? find_by_hash(object, name) : 0;
}

bool agent_elf_is_libc(const struct agent_elf *object) {
    static const char *const names[] = {"libc.so", "libc.musl-", "ld-", "ld64.so", "libpthread.so", "libdl.so", "librt.so"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strncmp(object->own_name, names[i], strlen(names[i])) == 0)
            return true;
    return false;
}
