/* A core file while it is made an image; only for core*.c. */
#ifndef CAULK_MEMORY_CORE_WORK_H
#define CAULK_MEMORY_CORE_WORK_H

#include "memory/core.h"
#include "memory/image_storage.h"

enum { CORE_PAGE = 1 << IMAGE_PAGE_BITS };

/* A stretch of memory that the core has, or says to have. */
struct core_load {
    remote_address begin, end; /* whole pages */
    uint64_t offset;           /* of the byte at `begin` in the core */
    uint64_t promised;         /* bytes from there on, by the header */
    uint64_t present;          /* bytes from there on that the core has; the rest is lost */
    uint32_t flags;
};

/* A file that was mapped, by the note that lists them. */
struct core_mapping {
    remote_address begin, end;
    uint64_t file_offset;
    uint32_t file; /* index */
};

enum core_file_state {
    CORE_FILE_DATA,      /* no ELF file: nothing is read from it */
    CORE_FILE_SAME,      /* by build-id, or by its first page where it has none */
    CORE_FILE_UNCHECKED, /* the core has nothing to compare it with */
    CORE_FILE_DIFFERENT,
    CORE_FILE_MISSING,
};

enum { CORE_HEADER_BYTES = CORE_PAGE };

struct core_file {
    const char *path;
    enum core_file_state state;
    int descriptor;
    uint64_t size;
    remote_address first_page; /* in memory; 0 if it was not mapped */
    bool had_code;
    bool restored; /* data that the core lost were taken from it */
    size_t header_size;
    unsigned char *header; /* its first page */
};

/* Pages [begin, end) of the image come from `descriptor` at `offset`. */
struct core_extent {
    remote_address begin, end;
    int descriptor;
    uint64_t offset;
    uint64_t available; /* bytes at `offset` that count; zeros follow */
};

struct core {
    const char *path;
    int descriptor; /* of the core itself, unpacked */
    uint64_t size;
    bool stream_cut; /* the packed stream ended early or was damaged */
    struct image_storage *storage;
    struct core_facts *facts;
    struct vector loads, mappings, segments, extents;
    struct vector restored; /* struct core_extent: those of data that the core lost */
    struct core_file *files;
    size_t file_count;
    uint64_t bytes_mapped;                   /* by the list of files */
    uint64_t bytes_of_loads, bytes_of_files; /* that the image takes from the core and from files */
    unsigned char auxiliary[1024]; /* the auxiliary vector as the note has it */
    size_t auxiliary_size;
    remote_address random_bytes, entry, program_headers; /* out of it; 0 unknown */
};

/* Reads as many bytes as the file has at `offset`, up to `size`. */
size_t core_read_file(int descriptor, uint64_t offset, size_t size, void *out);

/* Bytes of memory before there is an image; how many of them the core has. */
size_t core_read_memory(const struct core *core, remote_address address, size_t size, void *out);

/* If `descriptor` is of a packed file, puts an unpacked, unlinked one in its place. */
struct error *core_unpack(const char *path, int *descriptor, bool *cut_out);

/* The header, the loads (sorted, apart, whole pages) and the notes. */
struct error *core_read_headers(struct core *core);

/* One note of the core; unknown kinds are ignored. */
void core_take_note(struct core *core, uint32_t kind, const unsigned char *bytes, size_t size);

/* argv out of the stack, better than what the notes have. */
void core_find_command(const struct core *core);

/* Opens the mapped files and compares them with what the core has of them. */
void core_open_files(struct core *core);
void core_close_files(struct core *core);

/* Permissions of a mapping by the program headers of its file; 0 unknown. */
uint32_t core_file_flags(const struct core_file *file, uint64_t file_offset);

/* Puts addresses into the data that were taken from files instead of the core. */
void core_restore(struct core *core);

/* The segments, and which pages come from where. */
void core_plan(struct core *core);

#endif
