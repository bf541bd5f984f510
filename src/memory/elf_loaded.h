/* Exported symbols of a loaded file, from the memory of the process alone: for files that have no name any more,
 * or none that we may open. */
#ifndef CAULK_MEMORY_ELF_LOADED_H
#define CAULK_MEMORY_ELF_LOADED_H

#include "memory/memory.h"

/* The address of a function or variable that the file which begins in `segment` (its first bytes are mapped there)
 * exports by `name`; 0 if there is none. */
remote_address elf_loaded_symbol(const struct memory *memory, const struct memory_segment *segment, const char *name);

#endif
