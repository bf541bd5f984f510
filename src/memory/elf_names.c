/* Functions of ELF files by address, by libelf; the files are read, never mapped. */
#include "memory/elf_names.h"

#include "base/vector.h"
#include "memory/elf_disk.h"

#include <gelf.h>
#include <stdlib.h>
#include <string.h>

static bool is_function(const GElf_Sym *symbol) {
    int type = GELF_ST_TYPE(symbol->st_info);
    return symbol->st_shndx != SHN_UNDEF && symbol->st_value && (type == STT_FUNC || type == STT_GNU_IFUNC);
}

static void read_table(Elf *elf, Elf_Scn *section, const GElf_Shdr *header, struct arena *arena, struct vector *list) {
    Elf_Data *data = elf_getdata(section, NULL);
    size_t count = data && header->sh_entsize ? data->d_size / header->sh_entsize : 0;
    for (size_t i = 1; i < count; i++) {
        GElf_Sym symbol;
        const char *name;
        if (!gelf_getsym(data, (int)i, &symbol) || !is_function(&symbol) ||
            !(name = elf_strptr(elf, header->sh_link, symbol.st_name)) || !*name)
            continue;
        *vector_push(list, struct elf_name) = (struct elf_name){
            symbol.st_value, symbol.st_value + symbol.st_size, arena_copy_text(arena, name, strcspn(name, "@"))};
    }
}

static void read_tables(Elf *elf, struct arena *arena, struct vector *list) {
    for (Elf_Scn *section = elf_nextscn(elf, NULL); section; section = elf_nextscn(elf, section)) {
        GElf_Shdr header;
        if (gelf_getshdr(section, &header) && (header.sh_type == SHT_SYMTAB || header.sh_type == SHT_DYNSYM))
            read_table(elf, section, &header, arena, list);
    }
}

/* Of several names of one place the first that the tables have stays. */
static int by_begin(const void *left, const void *right) {
    const struct elf_name *a = left, *b = right;
    if (a->begin != b->begin)
        return a->begin < b->begin ? -1 : 1;
    return (a->end < b->end) - (a->end > b->end);
}

static void read_disk(struct elf_disk *disk, struct arena *arena, struct vector *list) {
    read_tables(disk->elf, arena, list);
    elf_disk_close(disk);
}

void elf_names_read(const char *path, const char *build_id, struct arena *arena, struct elf_names *out) {
    struct vector list = {0};
    struct elf_disk disk;
    if (elf_disk_open(path, build_id, &disk))
        read_disk(&disk, arena, &list);
    if (elf_disk_open_debug(path, build_id, &disk))
        read_disk(&disk, arena, &list);
    *out = (struct elf_names){arena_new(arena, struct elf_name, list.count + 1), list.count};
    if (list.count) {
        memcpy(out->list, list.items, list.count * sizeof *out->list);
        qsort(out->list, out->count, sizeof *out->list, by_begin);
    }
    vector_deinit(&list);
}

const struct elf_name *elf_names_find(const struct elf_names *names, uint64_t address) {
    size_t low = 0, high = names->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (names->list[middle].begin <= address)
            low = middle + 1;
        else
            high = middle;
    }
    /* Names of one place lie side by side, those of the largest size first. */
    const struct elf_name *found = low ? &names->list[low - 1] : NULL;
    while (found && found > names->list && found[-1].begin == found->begin)
        found--;
    return found && address < found->end ? found : NULL;
}
