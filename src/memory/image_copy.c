/* Copies pages by process_vm_readv, many stretches a call, into memory that is populated beforehand. */
#include "memory/image_copy.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/uio.h>

enum {
    PAGE_BYTES = 1 << IMAGE_PAGE_BITS,
    HUGE_PAGE_BYTES = 2 << 20,
    BATCH = 512,              /* stretches a call */
    STRETCH = 8 << 20,        /* longest piece, so that a piece is populated and still warm when it is filled */
    POPULATE_WRITE = 23,      /* MADV_POPULATE_WRITE of Linux 5.14; without it pages come one fault at a time */
};

struct batch {
    int pid;
    struct image_storage *storage;
    struct iovec local[BATCH], remote[BATCH];
    size_t count;
    uint64_t bytes;
};

/* Memory that is wholly overwritten may come in huge pages: no hole becomes resident by it. */
static void populate(unsigned char *to, size_t length) {
    uintptr_t begin = ((uintptr_t)to + HUGE_PAGE_BYTES - 1) & ~(uintptr_t)(HUGE_PAGE_BYTES - 1);
    uintptr_t end = ((uintptr_t)to + length) & ~(uintptr_t)(HUGE_PAGE_BYTES - 1);
    if (begin < end)
        madvise((void *)begin, end - begin, MADV_HUGEPAGE);
    madvise(to, length, POPULATE_WRITE);
}

/* Drops the first `done` bytes of the batch. */
static void advance(struct batch *batch, size_t *first, size_t done) {
    batch->bytes -= done;
    while (*first < batch->count && done >= batch->remote[*first].iov_len)
        done -= batch->remote[(*first)++].iov_len;
    if (done) {
        batch->local[*first].iov_base = (char *)batch->local[*first].iov_base + done;
        batch->remote[*first].iov_base = (char *)batch->remote[*first].iov_base + done;
        batch->local[*first].iov_len -= done;
        batch->remote[*first].iov_len -= done;
    }
}

static struct error *flush(struct batch *batch) {
    size_t first = 0;
    while (first < batch->count) {
        size_t count = batch->count - first;
        ssize_t length = process_vm_readv(batch->pid, &batch->local[first], count, &batch->remote[first], count, 0);
        if (length > 0) {
            batch->storage->image.copied += (uint64_t)length;
            advance(batch, &first, (size_t)length);
        } else if (length < 0 && (errno == EFAULT || errno == EIO)) {
            image_storage_forget_page(batch->storage, (remote_address)batch->remote[first].iov_base);
            advance(batch, &first, PAGE_BYTES);
        } else if (!(length < 0 && errno == EINTR)) {
            return error_from_errno(errno == EPERM ? STATUS_PERMISSION : STATUS_NO_TARGET,
                                    "copying the memory of process %d", batch->pid);
        }
    }
    batch->count = 0;
    batch->bytes = 0;
    return NULL;
}

static struct error *add_piece(struct batch *batch, remote_address from, size_t length) {
    unsigned char *to = (unsigned char *)batch->storage->image.base + image_locate(&batch->storage->image, from);
    populate(to, length);
    batch->local[batch->count] = (struct iovec){to, length};
    batch->remote[batch->count++] = (struct iovec){(void *)from, length};
    batch->bytes += length;
    return batch->count == BATCH || batch->bytes >= STRETCH ? flush(batch) : NULL;
}

struct error *image_copy(int pid, struct image_storage *storage, const struct page_extent *extents, size_t count) {
    struct batch batch = {.pid = pid, .storage = storage};
    for (size_t i = 0; i < count; i++) {
        remote_address at = extents[i].begin;
        while (at < extents[i].end) {
            size_t length = extents[i].end - at < STRETCH ? extents[i].end - at : STRETCH;
            TRY(add_piece(&batch, at, length));
            at += length;
        }
    }
    return flush(&batch);
}
