/* Takes a .caulk file apart and puts it together again with all checksums right, so that a test can lie in the
 * contents and be believed by everything but the checks of the contents. Sections of one chunk only. */
#ifndef CAULK_TESTS_FORGED_FILE_H
#define CAULK_TESTS_FORGED_FILE_H

#include "graph/heap_file_format.h"

struct forged_file {
    struct file_header header;
    struct {
        char *bytes;
        size_t size;
    } sections[SECTION_COUNT];
};

/* Ends the program if the file is not sound. */
void forged_file_open(struct forged_file *forged, const char *bytes, size_t size);
void forged_file_close(struct forged_file *forged);

/* Writes it to `out` and returns its length. */
size_t forged_file_pack(const struct forged_file *forged, char *out, size_t capacity);

/* Changes what `script` says, four bytes each: section (or the header), kind of change, place, value. */
void forged_file_change(struct forged_file *forged, const unsigned char *script, size_t size);

#endif
