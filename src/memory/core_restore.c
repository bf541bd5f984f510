/* Data of programs and libraries that a truncated core has lost, as they were when the process began: the file's
 * bytes with the addresses that the dynamic linker puts in. What was written later is lost. */
#include "memory/core_work.h"

#include <gelf.h>
#include <string.h>

/* A file that had data restored, open. */
struct restored {
    struct core *core;
    Elf *elf;
    uint64_t bias;
};

/* Bytes of the image that were restored, and nothing else, may be changed. */
static unsigned char *find_restored(const struct core *core, remote_address address, size_t size) {
    const struct core_extent *extents = core->restored.items;
    for (size_t i = 0; i < core->restored.count; i++)
        if (address >= extents[i].begin && address + size <= extents[i].end)
            return (unsigned char *)image_view(&core->storage->image, address, size);
    return NULL;
}

static void write_address(const struct restored *file, uint64_t offset, uint64_t value) {
    unsigned char *place = find_restored(file->core, file->bias + offset, sizeof value);
    if (place)
        memcpy(place, &value, sizeof value);
}

/* Addresses in other files stay unknown. */
static bool symbol_address(const struct restored *file, Elf_Data *symbols, uint32_t number, uint64_t *out) {
    GElf_Sym symbol;
    if (!symbols || !gelf_getsym(symbols, (int)number, &symbol) || symbol.st_shndx == SHN_UNDEF ||
        GELF_ST_TYPE(symbol.st_info) == STT_GNU_IFUNC)
        return false;
    *out = file->bias + symbol.st_value;
    return true;
}

static void relocate_section(const struct restored *file, Elf_Scn *section, const GElf_Shdr *header) {
    Elf_Data *data = elf_getdata(section, NULL);
    Elf_Scn *linked = elf_getscn(file->elf, header->sh_link);
    Elf_Data *symbols = linked ? elf_getdata(linked, NULL) : NULL;
    size_t count = data && header->sh_entsize ? data->d_size / header->sh_entsize : 0;
    for (size_t i = 0; i < count; i++) {
        GElf_Rela entry;
        uint64_t address;
        if (!gelf_getrela(data, (int)i, &entry))
            continue;
        switch (GELF_R_TYPE(entry.r_info)) {
        case R_X86_64_RELATIVE:
            write_address(file, entry.r_offset, file->bias + (uint64_t)entry.r_addend);
            break;
        case R_X86_64_64:
        case R_X86_64_GLOB_DAT:
            if (symbol_address(file, symbols, (uint32_t)GELF_R_SYM(entry.r_info), &address))
                write_address(file, entry.r_offset, address + (uint64_t)entry.r_addend);
            break;
        default: break;
        }
    }
}

/* Behind the bytes of the file a page of data has zeros. */
static void clear_behind_data(const struct restored *file, const GElf_Phdr *load) {
    remote_address end = file->bias + load->p_vaddr + load->p_filesz;
    for (; end % CORE_PAGE; end++) {
        unsigned char *place = find_restored(file->core, end, 1);
        if (place)
            *place = 0;
    }
}

static bool find_bias(const struct core *core, uint32_t number, Elf *elf, uint64_t *out) {
    GElf_Phdr load;
    const struct core_file *file = &core->files[number];
    size_t count = 0;
    if (!file->first_page || elf_getphdrnum(elf, &count) != 0)
        return false;
    for (size_t i = 0; i < count; i++)
        if (gelf_getphdr(elf, (int)i, &load) && load.p_type == PT_LOAD && load.p_offset == 0) {
            *out = file->first_page - load.p_vaddr;
            return true;
        }
    return false;
}

static void restore_file(struct core *core, uint32_t number) {
    struct restored file = {core, elf_begin(core->files[number].descriptor, ELF_C_READ, NULL), 0};
    size_t count = 0;
    if (file.elf && elf_kind(file.elf) == ELF_K_ELF && find_bias(core, number, file.elf, &file.bias) &&
        elf_getphdrnum(file.elf, &count) == 0) {
        GElf_Phdr load;
        for (size_t i = 0; i < count; i++)
            if (gelf_getphdr(file.elf, (int)i, &load) && load.p_type == PT_LOAD && load.p_memsz > load.p_filesz)
                clear_behind_data(&file, &load);
        for (Elf_Scn *section = elf_nextscn(file.elf, NULL); section; section = elf_nextscn(file.elf, section)) {
            GElf_Shdr header;
            if (gelf_getshdr(section, &header) && header.sh_type == SHT_RELA && (header.sh_flags & SHF_ALLOC))
                relocate_section(&file, section, &header);
        }
    }
    elf_end(file.elf);
}

void core_restore(struct core *core) {
    for (size_t i = 0; i < core->file_count; i++)
        if (core->files[i].restored && core->files[i].descriptor >= 0)
            restore_file(core, (uint32_t)i);
}
