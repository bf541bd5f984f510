/* Places for the recordings of processes that cannot make a file of their own (another root, no larger files, no file
 * descriptor). They lie in one sparse file that whoever started the program has made, and are reached without
 * opening anything: every process has the file's first page mapped, and a shared mapping can be doubled and
 * lengthened. */
#include "agent/agent_work.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct wire_spare *spare;

static bool is_spare(const struct wire_spare *page, off_t size) {
    return memcmp(page->magic, WIRE_SPARE_MAGIC, sizeof page->magic) == 0 && page->version == WIRE_VERSION &&
           page->count <= WIRE_SPARE_PLACES && page->stride == WIRE_SPARE_STRIDE &&
           (uint64_t)size >= WIRE_HEAD_SIZE + page->count * page->stride;
}

void agent_spare_find(const char *path) {
    struct stat status;
    int file = spare || !*path ? -1 : open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (file < 0)
        return;
    void *page = MAP_FAILED;
    if (fstat(file, &status) == 0 && S_ISREG(status.st_mode) && status.st_size >= (off_t)WIRE_HEAD_SIZE)
        page = mmap(NULL, WIRE_HEAD_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (page == MAP_FAILED)
        return;
    if (is_spare(page, status.st_size))
        spare = page;
    else
        munmap(page, WIRE_HEAD_SIZE);
}

int agent_spare_take(size_t size, struct wire_head **out) {
    int error = 0;
    if (!spare)
        return ENOENT;
    if (!agent_populate(spare, WIRE_HEAD_SIZE, &error)) /* a file that was cut short is none */
        return error;
    if (size > WIRE_SPARE_STRIDE || spare->taken >= spare->count)
        return ENOSPC;
    uint64_t place = __atomic_fetch_add(&spare->taken, 1, __ATOMIC_RELAXED);
    if (place >= spare->count || place >= WIRE_SPARE_PLACES)
        return ENOSPC;
    size_t before = WIRE_HEAD_SIZE + place * WIRE_SPARE_STRIDE;
    /* The kernel is asked directly: the hooks have the names of these functions. */
    char *begin = (char *)syscall(SYS_mremap, spare, 0, before + size, MREMAP_MAYMOVE, NULL);
    if (begin == MAP_FAILED)
        return errno;
    syscall(SYS_munmap, begin, before);
    *out = (struct wire_head *)(begin + before);
    return 0;
}
