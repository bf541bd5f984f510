/* Unpacks every section of a sound file, and packs changed ones. */
#include "support/forged_file.h"

#include <stdlib.h>
#include <zstd.h>

static void expect(bool condition) {
    if (!condition)
        abort();
}

void forged_file_open(struct forged_file *forged, const char *bytes, size_t size) {
    size_t offset = sizeof forged->header;
    expect(size > offset);
    memcpy(&forged->header, bytes, offset);
    for (int i = 0; i < SECTION_COUNT; i++) {
        struct file_section_header header;
        memcpy(&header, bytes + offset, sizeof header);
        offset += sizeof header;
        expect(header.size <= FILE_CHUNK);
        forged->sections[i].size = header.size;
        forged->sections[i].bytes = calloc(1, header.size + 64);
        expect(forged->sections[i].bytes != NULL);
        if (!header.size)
            continue;
        uint32_t packed;
        memcpy(&packed, bytes + offset, sizeof packed);
        offset += sizeof packed;
        expect(ZSTD_decompress(forged->sections[i].bytes, header.size, bytes + offset, packed) == header.size);
        offset += packed;
    }
    expect(offset == size);
}

void forged_file_close(struct forged_file *forged) {
    for (int i = 0; i < SECTION_COUNT; i++)
        free(forged->sections[i].bytes);
}

static size_t append(char *out, size_t capacity, size_t offset, const void *bytes, size_t size) {
    expect(size <= capacity - offset);
    memcpy(out + offset, bytes, size);
    return offset + size;
}

size_t forged_file_pack(const struct forged_file *forged, char *out, size_t capacity) {
    struct file_header header = forged->header;
    header.checksum = file_checksum(&header, offsetof(struct file_header, checksum));
    size_t offset = append(out, capacity, 0, &header, sizeof header);
    for (int i = 0; i < SECTION_COUNT; i++) {
        struct file_section_header section = {.size = forged->sections[i].size};
        memcpy(section.name, file_section_names[i], sizeof section.name);
        section.checksum = file_checksum(&section, offsetof(struct file_section_header, checksum));
        offset = append(out, capacity, offset, &section, sizeof section);
        if (!section.size)
            continue;
        size_t packed = ZSTD_compress(out + offset + 4, capacity - offset - 4, forged->sections[i].bytes,
                                      section.size, 1);
        expect(!ZSTD_isError(packed));
        uint32_t length = (uint32_t)packed;
        offset = append(out, capacity, offset, &length, sizeof length) + packed;
    }
    return offset;
}

static void change_section(struct forged_file *forged, int section, const unsigned char *step) {
    size_t *size = &forged->sections[section].size;
    char *bytes = forged->sections[section].bytes;
    switch (step[1] % 8) {
    case 0: *size = *size > 4 ? *size - step[2] % 4 - 1 : *size; break;
    case 1: *size += *size < FILE_CHUNK && *size ? step[2] % 8 : 0; break;
    case 2: memset(bytes + (*size ? step[2] % *size : 0), 0xff, *size ? 4 : 0); break;
    default:
        if (*size)
            bytes[(step[2] + 256 * (size_t)(step[1] / 8)) % *size] = (char)step[3];
        break;
    }
}

void forged_file_change(struct forged_file *forged, const unsigned char *script, size_t size) {
    /* Growing is bounded by the 64 bytes of room behind each section. */
    int grown = 0;
    for (; size >= 4; script += 4, size -= 4) {
        int section = script[0] % (SECTION_COUNT + 1);
        if (section == SECTION_COUNT)
            ((unsigned char *)&forged->header)[12 + script[2] % 28] = script[3];
        else if (script[1] % 8 != 1 || grown++ < 8)
            change_section(forged, section, script);
    }
}
