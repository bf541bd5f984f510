/* A core file as a memory source: opens it, fills the image, says what is missing. */
#include "memory/core.h"

#include "memory/core_work.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    PIECE = 4 << 20,     /* populated and read at once */
    POPULATE_WRITE = 23, /* MADV_POPULATE_WRITE of Linux 5.14 */
    NAMES_MOST = 2,      /* files that a remark names */
};

bool core_recognise(const char *path) {
    static const struct {
        const char *magic;
        size_t length;
    } beginnings[] = {{"\177ELF", 4}, {"\x1f\x8b", 2}, {"\x28\xb5\x2f\xfd", 4}, {"\xfd" "7zXZ", 5}, {"\x04\x22\x4d\x18", 4}};
    char begin[5] = {0};
    struct stat status;
    bool known = false;
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (file < 0)
        return false;
    if (fstat(file, &status) == 0 && S_ISREG(status.st_mode) && core_read_file(file, 0, sizeof begin, begin) > 3)
        for (size_t i = 0; i < sizeof beginnings / sizeof *beginnings; i++)
            known |= memcmp(begin, beginnings[i].magic, beginnings[i].length) == 0;
    close(file);
    return known;
}

size_t core_read_file(int descriptor, uint64_t offset, size_t size, void *out) {
    size_t done = 0;
    while (done < size && offset + done <= INT64_MAX) {
        ssize_t piece = pread(descriptor, (char *)out + done, size - done, (off_t)(offset + done));
        if (piece < 0 && errno == EINTR)
            continue;
        if (piece <= 0)
            break;
        done += (size_t)piece;
    }
    return done;
}

static struct error *open_file(struct core *core) {
    struct stat status;
    core->descriptor = open(core->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (core->descriptor < 0)
        return error_from_errno(errno == EACCES ? STATUS_PERMISSION : STATUS_NO_TARGET, "opening %s", core->path);
    if (fstat(core->descriptor, &status) != 0 || !S_ISREG(status.st_mode))
        return error_create(STATUS_BAD_FILE, "%s is not a file, so it cannot be a core", core->path);
    core->facts->written_at = (double)status.st_mtim.tv_sec + (double)status.st_mtim.tv_nsec / 1e9;
    TRY(core_unpack(core->path, &core->descriptor, &core->stream_cut));
    if (fstat(core->descriptor, &status) != 0)
        return error_from_errno(STATUS_BAD_FILE, "reading %s", core->path);
    core->size = (uint64_t)status.st_size;
    return NULL;
}

/* What a file has less than it should is taken out of the image again. */
static void fill_extent(struct core *core, const struct core_extent *extent) {
    struct image_storage *storage = core->storage;
    unsigned char *to = (unsigned char *)storage->image.base + image_locate(&storage->image, extent->begin);
    uint64_t length = extent->end - extent->begin;
    for (uint64_t at = 0; at < length;) {
        size_t piece = length - at < PIECE ? length - at : PIECE;
        uint64_t left = extent->available > at ? extent->available - at : 0;
        size_t wanted = left < piece ? (size_t)left : piece;
        madvise(to + at, piece, POPULATE_WRITE);
        size_t done = core_read_file(extent->descriptor, extent->offset + at, wanted, to + at);
        storage->image.copied += done;
        for (uint64_t lost = done & ~(uint64_t)(CORE_PAGE - 1); done < wanted && lost < piece; lost += CORE_PAGE)
            image_storage_forget_page(storage, extent->begin + at + lost);
        at += piece;
    }
}

static struct error *fill_image(struct core *core) {
    TRY(image_storage_reserve(core->storage));
    for (size_t i = 0; i < core->extents.count; i++)
        fill_extent(core, &vector_items(&core->extents, struct core_extent)[i]);
    return NULL;
}

void core_make_printable(char *text) {
    for (; *text; text++)
        if (*text < ' ' || *text > '~')
            *text = '?';
}

static char *new_remark(struct core *core) {
    size_t last = CORE_REMARKS_MOST - 1;
    return core->facts->remarks[core->facts->remark_count < last ? core->facts->remark_count++ : last];
}

static void remark_truncation(struct core *core) {
    const struct core_facts *facts = core->facts;
    double whole = (double)facts->bytes_promised / (1 << 20), lost = (double)facts->bytes_missing / (1 << 20);
    if (facts->bytes_missing)
        snprintf(new_remark(core), CORE_REMARK_BYTES,
                 "the core is truncated%s: %.1f of %.1f MiB of memory are missing; what lay there counts as unreadable%s",
                 core->stream_cut ? " or its packed stream is damaged" : "", lost, whole,
                 core->restored.count ? ", data of libraries are as their files have them" : "");
    else if (core->stream_cut)
        snprintf(new_remark(core), CORE_REMARK_BYTES,
                 "the packed stream of the core is truncated or damaged at its end; no memory is missing");
    if (!core->mappings.count)
        snprintf(new_remark(core), CORE_REMARK_BYTES,
                 "the core has no list of mapped files%s; gcore writes it last",
                 facts->bytes_missing ? ", which lay in the missing part" : "");
}

static void remark_files(struct core *core, enum core_file_state state, uint32_t count, const char *what) {
    if (!count)
        return;
    char *remark = new_remark(core);
    int length = snprintf(remark, CORE_REMARK_BYTES, "%s, %u: ", what, count);
    uint32_t named = 0;
    for (size_t i = 0; i < core->file_count && named < NAMES_MOST; i++)
        if (core->files[i].state == state)
            length += snprintf(remark + length, CORE_REMARK_BYTES - (size_t)length, "%s%.180s", named++ ? ", " : "",
                               core->files[i].path);
    if (count > named)
        snprintf(remark + length, CORE_REMARK_BYTES - (size_t)length, ", ...");
    core_make_printable(remark);
}

static void add_remarks(struct core *core) {
    const struct core_facts *facts = core->facts;
    remark_truncation(core);
    remark_files(core, CORE_FILE_DIFFERENT, facts->files_different,
                 "files here that are not what the process ran (the build-id differs)");
    remark_files(core, CORE_FILE_MISSING, facts->files_missing, "programs and libraries of the process that are missing here");
}

static struct error *open_core(struct core *core) {
    TRY(open_file(core));
    TRY(core_read_headers(core));
    core_open_files(core);
    core_plan(core);
    TRY(fill_image(core));
    core_restore(core);
    core_find_command(core);
    add_remarks(core);
    core_make_printable(core->facts->lost_file);
    return NULL;
}

struct error *core_open(const char *path, struct image **out, struct core_facts *facts_out) {
    *out = NULL;
    *facts_out = (struct core_facts){0};
    struct image_storage *storage = image_storage_create();
    struct core core = {.path = path, .descriptor = -1, .storage = storage, .facts = facts_out};
    struct error *error = open_core(&core);
    core_close_files(&core);
    if (core.descriptor >= 0)
        close(core.descriptor);
    vector_deinit(&core.loads);
    vector_deinit(&core.mappings);
    vector_deinit(&core.segments);
    vector_deinit(&core.extents);
    vector_deinit(&core.restored);
    storage->image.memory.pid = facts_out->pid;
    if (error)
        memory_close(&storage->image.memory);
    else
        *out = &storage->image;
    return error;
}

struct error *image_from_core(const char *path, struct image **out) {
    struct core_facts *facts = calloc(1, sizeof *facts);
    if (!facts)
        return error_create(STATUS_INTERNAL, "opening %s: out of memory", path);
    struct error *error = core_open(path, out, facts);
    free(facts);
    return error;
}
