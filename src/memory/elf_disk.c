/* ELF files on disk, and which debug file belongs to which. */
#include "memory/elf_disk.h"

#include <fcntl.h>
#include <gelf.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

enum { BUILD_ID_MOST = 64, PATH_BYTES = 3 * 4096, CHUNK_BYTES = 1 << 16 };

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

static int open_file(const char *path) {
    struct stat status;
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (file >= 0 && fstat(file, &status) == 0 && S_ISREG(status.st_mode))
        return file;
    if (file >= 0)
        close(file);
    return -1;
}

bool elf_disk_open(const char *path, const char *build_id, struct elf_disk *out) {
    *out = (struct elf_disk){.file = elf_version(EV_CURRENT) == EV_NONE ? -1 : open_file(path)};
    if (out->file >= 0)
        out->elf = elf_begin(out->file, ELF_C_READ, NULL);
    if (out->elf && elf_kind(out->elf) == ELF_K_ELF && is_the_one(out->elf, build_id))
        return true;
    elf_disk_close(out);
    return false;
}

void elf_disk_close(struct elf_disk *disk) {
    if (disk->elf)
        elf_end(disk->elf);
    if (disk->file >= 0)
        close(disk->file);
    *disk = (struct elf_disk){.file = -1};
}

static Elf_Scn *find_section(Elf *elf, const char *name, GElf_Shdr *out) {
    size_t names;
    if (elf_getshdrstrndx(elf, &names) != 0)
        return NULL;
    for (Elf_Scn *section = elf_nextscn(elf, NULL); section; section = elf_nextscn(elf, section)) {
        const char *found = gelf_getshdr(section, out) ? elf_strptr(elf, names, out->sh_name) : NULL;
        if (found && strcmp(found, name) == 0 && out->sh_type != SHT_NOBITS)
            return section;
    }
    return NULL;
}

bool elf_disk_has_lines(const struct elf_disk *disk) {
    GElf_Shdr header;
    return find_section(disk->elf, ".debug_line", &header) || find_section(disk->elf, ".zdebug_line", &header);
}

struct link {
    const char *name; /* NULL if there is none; lives as long as the file is open */
    uint32_t checksum;
};

/* A name, zeros up to a multiple of four, the checksum of the whole file. */
static struct link read_link(const struct elf_disk *disk) {
    GElf_Shdr header;
    Elf_Scn *section = find_section(disk->elf, ".gnu_debuglink", &header);
    Elf_Data *data = section ? elf_getdata(section, NULL) : NULL;
    size_t length = data && data->d_buf ? strnlen(data->d_buf, data->d_size) : 0, at = (length + 4) & ~(size_t)3;
    struct link link = {0};
    if (!length || at + sizeof link.checksum > data->d_size || memchr(data->d_buf, '/', length))
        return link;
    memcpy(&link.checksum, (char *)data->d_buf + at, sizeof link.checksum);
    link.name = data->d_buf;
    return link;
}

static bool has_checksum(int file, uint32_t wanted) {
    unsigned char chunk[CHUNK_BYTES];
    uLong checksum = crc32(0, NULL, 0);
    off_t offset = 0;
    ssize_t got;
    while ((got = pread(file, chunk, sizeof chunk, offset)) > 0) {
        checksum = crc32(checksum, chunk, (uInt)got);
        offset += got;
    }
    return got == 0 && checksum == wanted;
}

static bool open_linked(const char *path, const char *build_id, const struct link *link, struct elf_disk *out) {
    static const char *const patterns[] = {"%.*s/%s", "%.*s/.debug/%s", "/usr/lib/debug%.*s/%s"};
    int folder = (int)(strrchr(path, '/') - path);
    char debug[PATH_BYTES];
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        if (snprintf(debug, sizeof debug, patterns[i], folder, path, link->name) >= (int)sizeof debug ||
            strcmp(debug, path) == 0 || !elf_disk_open(debug, build_id, out))
            continue;
        if (*build_id || has_checksum(out->file, link->checksum))
            return true;
        elf_disk_close(out);
    }
    return false;
}

bool elf_disk_open_debug(const char *path, const char *build_id, struct elf_disk *out) {
    char debug[PATH_BYTES];
    struct elf_disk disk;
    if (strlen(build_id) > 2) {
        snprintf(debug, sizeof debug, "/usr/lib/debug/.build-id/%.2s/%s.debug", build_id, build_id + 2);
        if (elf_disk_open(debug, build_id, out))
            return true;
    }
    if (*path != '/' || !elf_disk_open(path, build_id, &disk))
        return false;
    struct link link = read_link(&disk);
    bool found = link.name && open_linked(path, build_id, &link, out);
    elf_disk_close(&disk);
    return found;
}
