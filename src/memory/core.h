/* Core files: what the kernel or gcore wrote of a process, as an image.
 *
 * A core may be truncated, and packed by gzip or zstd. Pages that it does not have are faults, except the
 * read-only pages of programs and libraries, which dumps leave out because the files have them: those are read
 * from the files on disk, if these are the ones that the process had mapped. */
#ifndef CAULK_MEMORY_CORE_H
#define CAULK_MEMORY_CORE_H

#include "memory/image.h"

enum { CORE_REMARKS_MOST = 4, CORE_REMARK_BYTES = 512 };

/* What a core tells beside memory. */
struct core_facts {
    int pid;                 /* 0 if the core does not say */
    char executable[4096];   /* "" if unknown */
    char command[4096];      /* argv words separated by \x1f */
    double written_at;       /* seconds since the epoch */
    uint64_t bytes_promised; /* by the headers */
    uint64_t bytes_missing;  /* of those: truncated, or lost in a damaged stream */
    uint32_t mappings;       /* of files; 0 if the core has no list of them */
    uint32_t files_missing, files_different, files_unchecked; /* programs and libraries that were mapped */
    char lost_file[512];     /* one of the missing or different ones, the program itself if it is among them */
    char remarks[CORE_REMARKS_MOST][CORE_REMARK_BYTES]; /* what a reader of any result must know */
    size_t remark_count;
};

/* Whether the file begins like a core or like something packed that may be one. */
bool core_recognise(const char *path);

/* The image of a core, with segments, paths and pid as in image_from_process. Errors: no such file
 * (STATUS_NO_TARGET), not a core, or one of another architecture (STATUS_BAD_FILE). */
struct error *core_open(const char *path, struct image **out, struct core_facts *facts_out);

/* Paths in a core are any bytes: those that are no printable ASCII become question marks. */
void core_make_printable(char *text);

struct error *image_from_core(const char *path, struct image **out);

#endif
