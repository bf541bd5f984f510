/* Reads page maps. */
#include "memory/page_map.h"

#include "memory/maps.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { PAGE_BYTES = 4096, REGIONS = 1024 };

/* Bits of an entry of pagemap, and the layout of PAGEMAP_SCAN: fs/proc/task_mmu.c, include/uapi/linux/fs.h. */
static const uint64_t entry_present = 1ull << 63, entry_swapped = 1ull << 62, entry_file = 1ull << 61;

enum scan_category {
    SCAN_FILE = 1 << 2,
    SCAN_PRESENT = 1 << 3,
    SCAN_SWAPPED = 1 << 4,
    SCAN_ZERO_PAGE = 1 << 5,
};

struct scan_region {
    uint64_t begin, end, categories;
};

struct scan_argument {
    uint64_t size, flags, start, end, walk_end, regions, region_count, max_pages;
    uint64_t category_inverted, category_mask, category_any, return_mask;
};

static int scan(const struct page_map *map, struct scan_argument *argument) {
    return ioctl(map->descriptor, _IOWR('f', 16, struct scan_argument), argument);
}

static struct scan_argument scan_create(remote_address begin, remote_address end, bool anonymous,
                                        struct scan_region *regions) {
    uint64_t unwanted = SCAN_ZERO_PAGE | (anonymous ? SCAN_FILE : 0);
    return (struct scan_argument){
        .size = sizeof(struct scan_argument),
        .start = begin,
        .end = end,
        .regions = (uintptr_t)regions,
        .region_count = REGIONS,
        .category_inverted = unwanted,
        .category_mask = unwanted,
        .category_any = SCAN_PRESENT | SCAN_SWAPPED,
        .return_mask = SCAN_PRESENT,
    };
}

bool page_map_open(int pid, struct page_map *out) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/pagemap", proc_live_thread(pid));
    out->descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (out->descriptor < 0)
        return false;
    struct scan_region region;
    struct scan_argument probe = scan_create(0, 0, false, &region);
    out->scan = scan(out, &probe) >= 0;
    return true;
}

void page_map_close(struct page_map *map) {
    if (map->descriptor >= 0)
        close(map->descriptor);
    map->descriptor = -1;
}

static void add_extent(struct vector *extents, size_t first, remote_address begin, remote_address end) {
    if (extents->count > first) {
        struct page_extent *last = &vector_items(extents, struct page_extent)[extents->count - 1];
        if (last->end == begin) {
            last->end = end;
            return;
        }
    }
    *vector_push(extents, struct page_extent) = (struct page_extent){begin, end};
}

static bool extents_by_scan(const struct page_map *map, remote_address begin, remote_address end, bool anonymous,
                            struct vector *extents) {
    struct scan_region regions[REGIONS];
    size_t first = extents->count;
    while (begin < end) {
        struct scan_argument argument = scan_create(begin, end, anonymous, regions);
        int count = scan(map, &argument);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0 || argument.walk_end <= begin)
            return false;
        for (int i = 0; i < count; i++)
            add_extent(extents, first, regions[i].begin, regions[i].end);
        begin = argument.walk_end;
    }
    return true;
}

static bool extents_by_entries(const struct page_map *map, remote_address begin, remote_address end, bool anonymous,
                               struct vector *extents) {
    static const size_t entry_bytes = sizeof(uint64_t);
    uint64_t entries[2048];
    size_t first = extents->count;
    while (begin < end) {
        size_t wanted = (end - begin) / PAGE_BYTES;
        if (wanted > sizeof entries / entry_bytes)
            wanted = sizeof entries / entry_bytes;
        ssize_t length = pread(map->descriptor, entries, wanted * entry_bytes,
                               (off_t)(begin / PAGE_BYTES * entry_bytes));
        if (length < (ssize_t)entry_bytes)
            return false;
        for (size_t i = 0; i < (size_t)length / entry_bytes; i++, begin += PAGE_BYTES)
            if ((entries[i] & (entry_present | entry_swapped)) && !(anonymous && (entries[i] & entry_file)))
                add_extent(extents, first, begin, begin + PAGE_BYTES);
    }
    return true;
}

bool page_map_extents(const struct page_map *map, remote_address begin, remote_address end, bool anonymous,
                      struct vector *extents) {
    if (map->descriptor < 0)
        return false;
    return map->scan ? extents_by_scan(map, begin, end, anonymous, extents)
                     : extents_by_entries(map, begin, end, anonymous, extents);
}
