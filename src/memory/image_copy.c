/* Copies pages into memory that is populated beforehand.
 *
 * By /proc/PID/mem: process_vm_readv pins the pages that it reads, and to pin a page that a picture shares
 * with its target the kernel first makes the picture a page of its own, which costs as much memory again. */
#include "memory/image_copy.h"

#include "memory/maps.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    PAGE_BYTES = 1 << IMAGE_PAGE_BITS,
    HUGE_PAGE_BYTES = 2 << 20,
    PIECE = 4 << 20,          /* populated at once */
    POPULATE_WRITE = 23,      /* MADV_POPULATE_WRITE of Linux 5.14; without it pages come one fault at a time */
};

/* Memory that is wholly overwritten may come in huge pages: no hole becomes resident by it. */
static void prefer_huge_pages(unsigned char *to, size_t length) {
    uintptr_t begin = ((uintptr_t)to + HUGE_PAGE_BYTES - 1) & ~(uintptr_t)(HUGE_PAGE_BYTES - 1);
    uintptr_t end = ((uintptr_t)to + length) & ~(uintptr_t)(HUGE_PAGE_BYTES - 1);
    if (begin < end)
        madvise((void *)begin, end - begin, MADV_HUGEPAGE);
}

static bool process_is_there(int pid) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/maps", proc_live_thread(pid));
    return access(path, R_OK) == 0;
}

static struct error *copy_piece(int pid, int file, struct image_storage *storage, remote_address from, size_t length) {
    unsigned char *to = (unsigned char *)storage->image.base + image_locate(&storage->image, from);
    madvise(to, length, POPULATE_WRITE);
    while (length) {
        ssize_t done = pread(file, to, length, (off_t)from);
        if (done < 0 && errno == EINTR)
            continue;
        if (done == 0 || (done < 0 && !process_is_there(pid)))
            return error_create(STATUS_NO_TARGET, "copying the memory of process %d: it has ended", pid);
        if (done < 0) {
            image_storage_forget_page(storage, from);
            done = PAGE_BYTES - (ssize_t)(from % PAGE_BYTES);
        } else {
            storage->image.copied += (uint64_t)done;
        }
        from += (uint64_t)done;
        to += done;
        length -= (size_t)done;
    }
    return NULL;
}

static struct error *copy_extent(int pid, int file, struct image_storage *storage, const struct page_extent *extent) {
    uint64_t offset = image_locate(&storage->image, extent->begin);
    prefer_huge_pages((unsigned char *)storage->image.base + offset, extent->end - extent->begin);
    for (remote_address at = extent->begin; at < extent->end;) {
        size_t length = extent->end - at < PIECE ? extent->end - at : PIECE;
        TRY(copy_piece(pid, file, storage, at, length));
        at += length;
    }
    return NULL;
}

struct error *image_copy(int pid, struct image_storage *storage, const struct page_extent *extents, size_t count) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/mem", proc_live_thread(pid));
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return error_from_errno(errno == ENOENT ? STATUS_NO_TARGET : STATUS_PERMISSION,
                                "opening the memory of process %d", pid);
    struct error *error = NULL;
    for (size_t i = 0; i < count && !error; i++)
        error = copy_extent(pid, file, storage, &extents[i]);
    close(file);
    return error;
}
