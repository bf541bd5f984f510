/* Symbols and data of the ELF files that a process has mapped (by libelf). */
#ifndef CAULK_MEMORY_ELF_FILE_H
#define CAULK_MEMORY_ELF_FILE_H

#include "memory/memory.h"

/* A file mapped by a process, opened the way that works in any mount namespace: /proc/PID/map_files, then
 * /proc/PID/exe if it is the program, then /proc/PID/root + path, then the path. -1 if none works. */
int elf_file_open_mapped(int pid, const struct memory_segment *segment);

/* The address in the target of dynamic or static symbol `name` defined by the file that `segment` maps; 0 if
 * it has none. `load_bias` of the file is derived from the segments of the same inode. */
remote_address elf_file_symbol(const struct memory *memory, const struct memory_segment *segment, const char *name);

/* Where the data end that begin in `segment` of a file, those that the file has no bytes for included; the end of the
 * segment if the file cannot be asked. */
remote_address elf_file_data_end(const struct memory *memory, const struct memory_segment *segment);

#endif
