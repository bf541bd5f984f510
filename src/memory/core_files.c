/* The files that a core's process had mapped: are those on disk the same ones?
 *
 * The first page of every mapped ELF file is in a core, unless somebody chose otherwise: it has the build-id. */
#include "memory/core_work.h"

#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_elf(const unsigned char *header, size_t size) {
    return size >= sizeof(Elf64_Ehdr) && memcmp(header, ELFMAG, SELFMAG) == 0 && header[EI_CLASS] == ELFCLASS64;
}

/* Program header `number`, if it lies in the first page. */
static bool program_header(const unsigned char *header, size_t size, uint32_t number, Elf64_Phdr *out) {
    Elf64_Ehdr elf;
    memcpy(&elf, header, sizeof elf);
    uint64_t at = elf.e_phoff + (uint64_t)number * sizeof *out;
    if (number >= elf.e_phnum || elf.e_phentsize != sizeof *out || elf.e_phoff > size || at + sizeof *out > size)
        return false;
    memcpy(out, header + at, sizeof *out);
    return true;
}

static size_t rounded(uint32_t size) {
    return ((size_t)size + 3) & ~(size_t)3;
}

static const unsigned char *build_id_note(const unsigned char *notes, size_t size, size_t *size_out) {
    for (size_t at = 0; size - at >= sizeof(Elf64_Nhdr);) {
        Elf64_Nhdr note;
        memcpy(&note, notes + at, sizeof note);
        size_t name_at = at + sizeof note, bytes_at = name_at + rounded(note.n_namesz);
        if (bytes_at > size || note.n_descsz > size - bytes_at)
            return NULL;
        if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && memcmp(notes + name_at, "GNU", 4) == 0) {
            *size_out = note.n_descsz;
            return notes + bytes_at;
        }
        at = bytes_at + rounded(note.n_descsz);
        if (at > size)
            return NULL;
    }
    return NULL;
}

static const unsigned char *find_build_id(const unsigned char *header, size_t size, size_t *size_out) {
    Elf64_Phdr program;
    for (uint32_t i = 0; program_header(header, size, i, &program); i++) {
        if (program.p_type != PT_NOTE || program.p_offset > size || program.p_filesz > size - program.p_offset)
            continue;
        const unsigned char *id = build_id_note(header + program.p_offset, program.p_filesz, size_out);
        if (id)
            return id;
    }
    return NULL;
}

/* Without build-ids the first pages decide: they have the places of all that a linker moves. */
static bool is_same(const unsigned char *mapped, size_t mapped_size, const struct core_file *file) {
    size_t mapped_id_size = 0, file_id_size = 0;
    const unsigned char *mapped_id = find_build_id(mapped, mapped_size, &mapped_id_size);
    const unsigned char *file_id = find_build_id(file->header, file->header_size, &file_id_size);
    if (mapped_id && file_id)
        return mapped_id_size == file_id_size && memcmp(mapped_id, file_id, file_id_size) == 0;
    size_t size = mapped_size < file->header_size ? mapped_size : file->header_size;
    return !mapped_id == !file_id && memcmp(mapped, file->header, size) == 0;
}

static bool is_deleted(const char *path) {
    size_t length = strlen(path);
    return length > 10 && strcmp(path + length - 10, " (deleted)") == 0;
}

static void open_on_disk(struct core *core, struct core_file *file) {
    struct stat status;
    if (file->path[0] != '/' || is_deleted(file->path))
        return;
    int descriptor = open(file->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (descriptor < 0)
        return;
    if (fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode)) {
        close(descriptor);
        return;
    }
    file->size = (uint64_t)status.st_size;
    file->header = arena_new(&core->storage->arena, unsigned char, CORE_HEADER_BYTES);
    file->header_size = core_read_file(descriptor, 0, CORE_HEADER_BYTES, file->header);
    file->descriptor = descriptor;
}

/* One pass over mappings and loads, both sorted: where the first page of each file lies, and whether the core
 * itself shows that its code was mapped. */
static void look_at_mappings(struct core *core) {
    const struct core_load *loads = core->loads.items;
    const struct core_mapping *mappings = core->mappings.items;
    for (size_t i = 0, k = 0; i < core->mappings.count; i++) {
        struct core_file *file = &core->files[mappings[i].file];
        if (mappings[i].file_offset == 0 && !file->first_page)
            file->first_page = mappings[i].begin;
        while (k < core->loads.count && loads[k].end <= mappings[i].begin)
            k++;
        if (k < core->loads.count && loads[k].begin < mappings[i].end)
            file->had_code |= (loads[k].flags & SEGMENT_EXECUTE) != 0;
    }
}

static enum core_file_state compare_file(const struct core *core, size_t number) {
    const struct core_file *file = &core->files[number];
    unsigned char mapped[CORE_HEADER_BYTES];
    size_t size = file->first_page ? core_read_memory(core, file->first_page, sizeof mapped, mapped) : 0;
    bool elf_here = file->descriptor >= 0 && is_elf(file->header, file->header_size);
    if (size ? !is_elf(mapped, size) : !elf_here && !file->had_code)
        return CORE_FILE_DATA;
    if (file->descriptor < 0)
        return CORE_FILE_MISSING;
    if (!elf_here)
        return CORE_FILE_DIFFERENT;
    if (!size)
        return CORE_FILE_UNCHECKED;
    return is_same(mapped, size, file) ? CORE_FILE_SAME : CORE_FILE_DIFFERENT;
}

void core_open_files(struct core *core) {
    look_at_mappings(core);
    for (size_t i = 0; i < core->file_count; i++) {
        struct core_file *file = &core->files[i];
        open_on_disk(core, file);
        file->state = compare_file(core, i);
        core->facts->files_missing += file->state == CORE_FILE_MISSING;
        core->facts->files_different += file->state == CORE_FILE_DIFFERENT;
        core->facts->files_unchecked += file->state == CORE_FILE_UNCHECKED;
        bool lost = file->state == CORE_FILE_MISSING || file->state == CORE_FILE_DIFFERENT;
        if (lost && !core->facts->lost_file[0])
            snprintf(core->facts->lost_file, sizeof core->facts->lost_file, "%s", file->path);
        if (file->state != CORE_FILE_SAME && file->state != CORE_FILE_UNCHECKED && file->descriptor >= 0) {
            close(file->descriptor);
            file->descriptor = -1;
        }
    }
}

void core_close_files(struct core *core) {
    for (size_t i = 0; i < core->file_count; i++)
        if (core->files[i].descriptor >= 0)
            close(core->files[i].descriptor);
}

/* The page at the border of two loads is mapped by both: the one that begins there comes first. */
uint32_t core_file_flags(const struct core_file *file, uint64_t file_offset) {
    uint32_t flags = 0;
    Elf64_Phdr program;
    if (file->descriptor < 0 || !is_elf(file->header, file->header_size))
        return 0;
    for (uint32_t i = 0; program_header(file->header, file->header_size, i, &program); i++) {
        uint64_t first = program.p_offset & ~(uint64_t)(CORE_PAGE - 1);
        if (program.p_type != PT_LOAD || file_offset < first || file_offset - first > program.p_filesz)
            continue;
        uint32_t found = (program.p_flags & PF_R ? SEGMENT_READ : 0) | (program.p_flags & PF_W ? SEGMENT_WRITE : 0) |
                         (program.p_flags & PF_X ? SEGMENT_EXECUTE : 0);
        if (file_offset == first)
            return found;
        flags = flags ? flags : found;
    }
    return flags;
}
