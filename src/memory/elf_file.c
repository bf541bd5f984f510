/* Symbols and data of mapped ELF files, by libelf; the files are read, never mapped: a file that shrinks
 * under us is an error and not a signal. */
#include "memory/elf_file.h"

#include "memory/maps.h"

#include <fcntl.h>
#include <gelf.h>
#include <libelf.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_BYTES = 4096 + 64, PAGE_BYTES = 4096 };

struct elf_file {
    int descriptor;
    Elf *elf;
    uint64_t load_bias;
};

/* A path may have been given to another file since; where the kernel gives the same device, inodes must agree. */
static int open_same(const char *path, const struct memory_segment *segment) {
    struct stat status;
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (file < 0)
        return -1;
    if (fstat(file, &status) == 0 && S_ISREG(status.st_mode) &&
        (status.st_dev != segment->device || status.st_ino == segment->inode))
        return file;
    close(file);
    return -1;
}

/* Some file systems give a file another device than the kernel's list of mappings has. */
static bool is_path_of_program(int pid, const struct memory_segment *segment) {
    char path[64], program[PATH_BYTES];
    snprintf(path, sizeof path, "/proc/%d/exe", pid);
    ssize_t length = readlink(path, program, sizeof program - 1);
    program[length > 0 ? length : 0] = '\0';
    return strcmp(program, segment->path) == 0;
}

/* The program file itself, which whoever may trace may open, deleted or not. */
static int open_program(int pid, const struct memory_segment *segment) {
    char path[64];
    struct stat status;
    snprintf(path, sizeof path, "/proc/%d/exe", pid);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0 || (fstat(file, &status) == 0 && S_ISREG(status.st_mode) && status.st_ino == segment->inode &&
                     (status.st_dev == segment->device || is_path_of_program(pid, segment))))
        return file;
    close(file);
    return -1;
}

int elf_file_open_mapped(int pid, const struct memory_segment *segment) {
    char path[PATH_BYTES];
    if (!(segment->flags & SEGMENT_FILE))
        return -1;
    if (!segment->device)
        pid = 0; /* of a core: its process is dead, another one may have the number */
    else
        pid = proc_live_thread(pid);
    snprintf(path, sizeof path, "/proc/%d/map_files/%llx-%llx", pid, (unsigned long long)segment->begin,
             (unsigned long long)segment->end);
    int file = pid > 0 ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    size_t length = strlen(segment->path);
    if (file < 0 && pid > 0)
        file = open_program(pid, segment);
    if (file >= 0 || segment->path[0] != '/' || (length > 10 && strcmp(segment->path + length - 10, " (deleted)") == 0))
        return file;
    snprintf(path, sizeof path, "/proc/%d/root%s", pid, segment->path);
    file = pid > 0 ? open_same(path, segment) : -1;
    return file >= 0 ? file : open_same(segment->path, segment);
}

static bool same_file(const struct memory_segment *a, const struct memory_segment *b) {
    return (b->flags & SEGMENT_FILE) && a->inode == b->inode && a->device == b->device;
}

/* Segments of the file that lie where the file would be with this bias. */
static int count_explained(const struct memory *memory, const struct memory_segment *segment,
                           const GElf_Phdr *headers, size_t header_count, uint64_t bias) {
    int explained = 0;
    for (size_t i = 0; i < memory->segment_count; i++) {
        const struct memory_segment *other = &memory->segments[i];
        for (size_t j = 0; same_file(segment, other) && j < header_count; j++)
            if (other->begin - other->file_offset == bias + headers[j].p_vaddr - headers[j].p_offset &&
                other->begin < bias + headers[j].p_vaddr + headers[j].p_memsz &&
                other->end > bias + headers[j].p_vaddr) {
                explained++;
                break;
            }
    }
    return explained;
}

enum { LOADS_MAX = 64 };

static size_t read_loads(Elf *elf, GElf_Phdr *out) {
    size_t count = 0, loads = 0;
    if (elf_getphdrnum(elf, &count) != 0)
        return 0;
    for (size_t i = 0; i < count && loads < LOADS_MAX; i++)
        if (gelf_getphdr(elf, (int)i, &out[loads]) && out[loads].p_type == PT_LOAD)
            loads++;
    return loads;
}

/* A page of the file at the border of two loads is mapped twice: of all biases that explain `segment`, the
 * one that explains most of its neighbours. */
static bool find_load_bias(const struct memory *memory, const struct memory_segment *segment, Elf *elf,
                           uint64_t *out) {
    GElf_Phdr loads[LOADS_MAX];
    size_t count = read_loads(elf, loads);
    int best = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t first = loads[i].p_offset & ~(uint64_t)(PAGE_BYTES - 1);
        if (segment->file_offset < first || segment->file_offset >= loads[i].p_offset + loads[i].p_memsz)
            continue;
        uint64_t bias = segment->begin - segment->file_offset + loads[i].p_offset - loads[i].p_vaddr;
        int explained = count_explained(memory, segment, loads, count, bias);
        if (explained > best) {
            best = explained;
            *out = bias;
        }
    }
    return best > 0;
}

static void elf_file_close(struct elf_file *file) {
    if (file->elf)
        elf_end(file->elf);
    if (file->descriptor >= 0)
        close(file->descriptor);
}

static bool elf_file_open(const struct memory *memory, const struct memory_segment *segment, struct elf_file *out) {
    *out = (struct elf_file){.descriptor = elf_file_open_mapped(memory->pid, segment)};
    if (out->descriptor < 0 || elf_version(EV_CURRENT) == EV_NONE)
        return false;
    out->elf = elf_begin(out->descriptor, ELF_C_READ, NULL);
    return out->elf && elf_kind(out->elf) == ELF_K_ELF && find_load_bias(memory, segment, out->elf, &out->load_bias);
}

static remote_address find_in_table(const struct elf_file *file, Elf_Scn *section, const GElf_Shdr *header,
                                    const char *name) {
    Elf_Data *data = elf_getdata(section, NULL);
    size_t count = data && header->sh_entsize ? data->d_size / header->sh_entsize : 0;
    for (size_t i = 1; i < count; i++) {
        GElf_Sym symbol;
        if (!gelf_getsym(data, (int)i, &symbol) || symbol.st_shndx == SHN_UNDEF ||
            GELF_ST_TYPE(symbol.st_info) == STT_TLS)
            continue;
        const char *text = elf_strptr(file->elf, header->sh_link, symbol.st_name);
        if (text && strcmp(text, name) == 0)
            return file->load_bias + symbol.st_value;
    }
    return 0;
}

static remote_address find_symbol(const struct elf_file *file, uint32_t table_type, const char *name) {
    for (Elf_Scn *section = elf_nextscn(file->elf, NULL); section; section = elf_nextscn(file->elf, section)) {
        GElf_Shdr header;
        if (!gelf_getshdr(section, &header) || header.sh_type != table_type)
            continue;
        remote_address found = find_in_table(file, section, &header, name);
        if (found)
            return found;
    }
    return 0;
}

remote_address elf_file_symbol(const struct memory *memory, const struct memory_segment *segment, const char *name) {
    struct elf_file file;
    remote_address found = 0;
    if (elf_file_open(memory, segment, &file)) {
        found = find_symbol(&file, SHT_DYNSYM, name);
        if (!found)
            found = find_symbol(&file, SHT_SYMTAB, name);
    }
    elf_file_close(&file);
    return found;
}

static remote_address find_data_end(const struct elf_file *file, const struct memory_segment *segment) {
    GElf_Phdr loads[LOADS_MAX];
    size_t count = read_loads(file->elf, loads);
    for (size_t i = 0; i < count; i++) {
        remote_address begin = file->load_bias + loads[i].p_vaddr;
        if ((loads[i].p_flags & PF_W) && begin < segment->end && begin + loads[i].p_memsz > segment->begin)
            return begin + loads[i].p_memsz;
    }
    return segment->end;
}

remote_address elf_file_data_end(const struct memory *memory, const struct memory_segment *segment) {
    struct elf_file file;
    remote_address end = segment->end;
    if (elf_file_open(memory, segment, &file))
        end = find_data_end(&file, segment);
    elf_file_close(&file);
    return end;
}
