/* Functions of ELF files by address, by libelf; the files are read, never mapped. */
#include "memory/elf_names.h"

#include "base/vector.h"

#include <fcntl.h>
#include <gelf.h>
#include <libelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BUILD_ID_MOST = 64, PATH_BYTES = 4096 };

static void write_hex(const unsigned char *bytes, size_t length, char *out) {
    for (size_t i = 0; i < length && i < BUILD_ID_MOST; i++)
        sprintf(out + 2 * i, "%02x", bytes[i]);
}

static bool find_build_id(Elf_Data *data, char *out) {
    GElf_Nhdr note;
    size_t name, description;
    for (size_t at = 0; data && (at = gelf_getnote(data, at, &note, &name, &description)) > 0;)
        if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && !memcmp((char *)data->d_buf + name, "GNU", 4)) {
            write_hex((unsigned char *)data->d_buf + description, note.n_descsz, out);
            return true;
        }
    return false;
}

static bool is_the_one(Elf *elf, const char *build_id) {
    char found[2 * BUILD_ID_MOST + 1] = "";
    for (Elf_Scn *section = elf_nextscn(elf, NULL); section; section = elf_nextscn(elf, section)) {
        GElf_Shdr header;
        if (gelf_getshdr(section, &header) && header.sh_type == SHT_NOTE && find_build_id(elf_getdata(section, NULL), found))
            break;
    }
    return !*build_id || strcmp(found, build_id) == 0;
}

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

static int open_file(const char *path) {
    struct stat status;
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (file >= 0 && fstat(file, &status) == 0 && S_ISREG(status.st_mode))
        return file;
    if (file >= 0)
        close(file);
    return -1;
}

static void read_file(const char *path, const char *build_id, struct arena *arena, struct vector *list) {
    int file = elf_version(EV_CURRENT) == EV_NONE ? -1 : open_file(path);
    Elf *elf = file >= 0 ? elf_begin(file, ELF_C_READ, NULL) : NULL;
    if (elf && elf_kind(elf) == ELF_K_ELF && is_the_one(elf, build_id))
        read_tables(elf, arena, list);
    if (elf)
        elf_end(elf);
    if (file >= 0)
        close(file);
}

/* Of several names of one place the first that the tables have stays. */
static int by_begin(const void *left, const void *right) {
    const struct elf_name *a = left, *b = right;
    if (a->begin != b->begin)
        return a->begin < b->begin ? -1 : 1;
    return (a->end < b->end) - (a->end > b->end);
}

void elf_names_read(const char *path, const char *build_id, struct arena *arena, struct elf_names *out) {
    struct vector list = {0};
    char debug[PATH_BYTES];
    read_file(path, build_id, arena, &list);
    if (strlen(build_id) > 2) {
        snprintf(debug, sizeof debug, "/usr/lib/debug/.build-id/%.2s/%s.debug", build_id, build_id + 2);
        read_file(debug, build_id, arena, &list);
    }
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
