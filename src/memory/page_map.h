/* Which pages of a process are there: /proc/PID/pagemap, by PAGEMAP_SCAN where the kernel has it. */
#ifndef CAULK_MEMORY_PAGE_MAP_H
#define CAULK_MEMORY_PAGE_MAP_H

#include "base/vector.h"
#include "memory/memory.h"

struct page_map {
    int descriptor;
    bool scan; /* the kernel knows PAGEMAP_SCAN */
};

/* A stretch of pages. */
struct page_extent {
    remote_address begin, end;
};

/* Opens the page map of `pid`; false with errno. */
bool page_map_open(int pid, struct page_map *out);
void page_map_close(struct page_map *map);

/* Appends the stretches of present or swapped pages in [begin, end) to `extents` (struct page_extent), in
 * order and without neighbours that touch. `anonymous`: only pages that are not of a file or shared. False
 * if the process is gone. */
bool page_map_extents(const struct page_map *map, remote_address begin, remote_address end, bool anonymous,
                      struct vector *extents);

#endif
