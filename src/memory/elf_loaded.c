/* Exported symbols of a loaded file by its dynamic section. */
#include "memory/elf_loaded.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

enum { HEADERS_MAX = 64, DYNAMICS_MAX = 256, BUCKETS_MAX = 1 << 20, SYMBOLS_MAX = 1 << 20, TEXTS_MAX = 64 << 20 };

struct tables {
    const struct memory *memory;
    remote_address symbols, texts, hash, gnu_hash;
    uint64_t texts_size;
    uint64_t bias;
};

/* The difference between addresses in memory and in the file, and where its dynamic section is. */
static bool find_dynamic(const struct memory *memory, remote_address begin, uint64_t *bias_out, Elf64_Phdr *out) {
    Elf64_Ehdr head;
    Elf64_Phdr headers[HEADERS_MAX];
    if (!memory_read(memory, begin, sizeof head, &head) || memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 ||
        head.e_ident[EI_CLASS] != ELFCLASS64 || head.e_phentsize != sizeof *headers || head.e_phnum > HEADERS_MAX ||
        !memory_read(memory, begin + head.e_phoff, head.e_phnum * sizeof *headers, headers))
        return false;
    bool has_bias = false, has_dynamic = false;
    for (int i = 0; i < head.e_phnum; i++)
        if (headers[i].p_type == PT_LOAD && headers[i].p_offset == 0 && !has_bias) {
            *bias_out = begin - headers[i].p_vaddr;
            has_bias = true;
        } else if (headers[i].p_type == PT_DYNAMIC) {
            *out = headers[i];
            has_dynamic = true;
        }
    return has_bias && has_dynamic;
}

/* Some loaders write addresses into the section, some leave those of the file there. */
static remote_address in_memory(const struct tables *tables, uint64_t value) {
    return value < tables->bias ? value + tables->bias : value;
}

static bool read_tables(struct tables *tables, remote_address begin) {
    Elf64_Phdr header = {0};
    Elf64_Dyn entries[DYNAMICS_MAX];
    if (!find_dynamic(tables->memory, begin, &tables->bias, &header))
        return false;
    size_t count = header.p_memsz / sizeof *entries;
    count = count < DYNAMICS_MAX ? count : DYNAMICS_MAX;
    if (!memory_read(tables->memory, tables->bias + header.p_vaddr, count * sizeof *entries, entries))
        return false;
    for (size_t i = 0; i < count && entries[i].d_tag != DT_NULL; i++) {
        uint64_t value = entries[i].d_un.d_val;
        if (entries[i].d_tag == DT_SYMTAB)
            tables->symbols = in_memory(tables, value);
        else if (entries[i].d_tag == DT_STRTAB)
            tables->texts = in_memory(tables, value);
        else if (entries[i].d_tag == DT_STRSZ)
            tables->texts_size = value;
        else if (entries[i].d_tag == DT_HASH)
            tables->hash = in_memory(tables, value);
        else if (entries[i].d_tag == DT_GNU_HASH)
            tables->gnu_hash = in_memory(tables, value);
    }
    return tables->symbols && tables->texts && tables->texts_size && tables->texts_size < TEXTS_MAX;
}

/* The table has the exported symbols last, in chains that end with an odd number: the last one of the highest
 * chain is the last symbol. */
static size_t count_by_gnu_hash(const struct tables *tables) {
    uint32_t head[4], chain = 0; /* buckets, first symbol, words of the filter, its shift */
    if (!memory_read(tables->memory, tables->gnu_hash, sizeof head, head) || head[0] == 0 || head[0] > BUCKETS_MAX ||
        head[2] > BUCKETS_MAX)
        return 0;
    remote_address buckets = tables->gnu_hash + sizeof head + head[2] * sizeof(uint64_t);
    uint32_t *first = calloc(head[0], sizeof *first), last = 0;
    if (first && memory_read(tables->memory, buckets, head[0] * sizeof *first, first))
        for (uint32_t i = 0; i < head[0]; i++)
            last = first[i] > last ? first[i] : last;
    free(first);
    if (last < head[1])
        return 0;
    remote_address chains = buckets + head[0] * sizeof *first;
    while (last < SYMBOLS_MAX &&
           memory_read(tables->memory, chains + (last - head[1]) * sizeof chain, sizeof chain, &chain) && !(chain & 1))
        last++;
    return last < SYMBOLS_MAX ? last + 1 : 0;
}

static size_t count_symbols(const struct tables *tables) {
    uint32_t head[2]; /* buckets, symbols */
    if (tables->hash && memory_read(tables->memory, tables->hash, sizeof head, head) && head[1] < SYMBOLS_MAX)
        return head[1];
    return tables->gnu_hash ? count_by_gnu_hash(tables) : 0;
}

static remote_address find(const struct tables *tables, const Elf64_Sym *symbols, size_t count, const char *texts,
                           const char *name) {
    size_t length = strlen(name) + 1;
    for (size_t i = 1; i < count; i++) {
        int type = ELF64_ST_TYPE(symbols[i].st_info);
        if (symbols[i].st_shndx != SHN_UNDEF && (type == STT_FUNC || type == STT_OBJECT) &&
            symbols[i].st_name < tables->texts_size && tables->texts_size - symbols[i].st_name >= length &&
            memcmp(texts + symbols[i].st_name, name, length) == 0)
            return tables->bias + symbols[i].st_value;
    }
    return 0;
}

remote_address elf_loaded_symbol(const struct memory *memory, const struct memory_segment *segment, const char *name) {
    struct tables tables = {.memory = memory};
    if (!read_tables(&tables, segment->begin))
        return 0;
    size_t count = count_symbols(&tables);
    Elf64_Sym *symbols = calloc(count + 1, sizeof *symbols);
    char *texts = malloc(tables.texts_size);
    remote_address found = 0;
    if (symbols && texts && memory_read(memory, tables.symbols, count * sizeof *symbols, symbols) &&
        memory_read(memory, tables.texts, tables.texts_size, texts))
        found = find(&tables, symbols, count, texts, name);
    free(symbols);
    free(texts);
    return found;
}
