/* Recordings of the sampler, read where they lie and kept in files. */
#include "app/recordings.h"

#include "app/native_names.h"
#include "app/output.h"
#include "base/vector.h"
#include "memory/maps.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

enum { ENTRY_MOST = 1024, LEVEL = 9, SPARSE_BLOCKS = 2048 };

#define RECORDING_MOST (UINT64_C(1) << 32) /* bytes; a sampler's memory is bounded far below */

static bool read_at(int file, uint64_t offset, size_t size, void *out) {
    char *at = out;
    while (size) {
        ssize_t got = pread(file, at, size, (off_t)offset);
        if (got <= 0 && !(got < 0 && errno == EINTR))
            return false;
        if (got > 0) {
            at += got;
            offset += (uint64_t)got;
            size -= (size_t)got;
        }
    }
    return true;
}

static bool is_head(const struct wire_head *head) {
    return memcmp(head->magic, WIRE_MAGIC, sizeof head->magic) == 0;
}

/* Lays the used parts of the regions out one behind the other; false if the head makes no sense. */
static bool plan_compact(const struct wire_head *head, uint64_t size, struct wire_head *out) {
    uint64_t end = WIRE_HEAD_SIZE;
    *out = *head;
    out->head_size = WIRE_HEAD_SIZE;
    for (int i = 0; i < WIRE_REGIONS; i++) {
        const struct wire_region *region = &head->regions[i];
        uint64_t length = (uint64_t)region->used * region->entry_size;
        if (region->used > region->capacity || region->entry_size > ENTRY_MOST || region->offset > size ||
            length > size - region->offset)
            return false;
        out->regions[i].offset = end;
        out->regions[i].capacity = region->used;
        end += (length + 7) & ~UINT64_C(7);
    }
    out->file_size = end;
    return end <= RECORDING_MOST;
}

/* The recording in `file` from `base` on, which may change while it is read: an entry is complete before `used`
 * tells of it. */
static bool read_compact(int file, uint64_t base, uint64_t size, struct arena *arena, struct recording *out) {
    struct wire_head head, compact;
    if (size < sizeof head || !read_at(file, base, sizeof head, &head) || !is_head(&head) ||
        !plan_compact(&head, size, &compact))
        return false;
    char *bytes = arena_allocate(arena, 1, compact.file_size);
    memcpy(bytes, &compact, sizeof compact);
    for (int i = 0; i < WIRE_REGIONS; i++)
        if (!read_at(file, base + head.regions[i].offset, (size_t)head.regions[i].used * head.regions[i].entry_size,
                     bytes + compact.regions[i].offset))
            return false;
    out->pid = head.pid;
    out->bytes = bytes;
    out->length = compact.file_size;
    return true;
}

static struct error *read_samples(const void *bytes, size_t length, const char *name, struct arena *arena,
                                  struct recording *out) {
    TRY(samples_read(bytes, length, name, arena, &out->samples));
    native_names_fill(&out->samples, arena);
    return NULL;
}

static bool decode(struct recording *recording, const char *name, struct arena *arena) {
    struct error *error = read_samples(recording->bytes, recording->length, name, arena, recording);
    bool readable = !error;
    error_discard(error);
    return readable;
}

/* --- a folder --- */

/* Some file systems give a long file all its blocks at once. */
static bool is_sparse(int file) {
    struct stat status;
    return fstat(file, &status) == 0 && status.st_blocks < SPARSE_BLOCKS;
}

struct error *recordings_make_spare(const char *folder, struct arena *arena) {
    const char *path = arena_format(arena, "%s/%s", folder, WIRE_SPARE_NAME);
    struct wire_spare page = {
        .magic = WIRE_SPARE_MAGIC, .version = WIRE_VERSION, .count = WIRE_SPARE_PLACES, .stride = WIRE_SPARE_STRIDE};
    off_t size = (off_t)(WIRE_HEAD_SIZE + WIRE_SPARE_PLACES * WIRE_SPARE_STRIDE);
    struct rlimit limit; /* a file that grows beyond it ends caulk by SIGXFSZ */
    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < (rlim_t)size)
        return error_create(STATUS_OUTPUT, "making %s: files may not have that size", path);
    int file = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool good = file >= 0 && ftruncate(file, size) == 0 && is_sparse(file) &&
                pwrite(file, &page, sizeof page, 0) == sizeof page;
    struct error *error = good ? NULL : error_from_errno(STATUS_OUTPUT, "making %s", path);
    if (file >= 0)
        close(file);
    if (file >= 0 && error)
        unlink(path);
    return error;
}

size_t recordings_spare_processes(const char *folder, int *out) {
    char path[4096];
    struct wire_spare page;
    struct wire_head head;
    size_t count = 0;
    snprintf(path, sizeof path, "%s/%s", folder, WIRE_SPARE_NAME);
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    bool good = file >= 0 && read_at(file, 0, sizeof page, &page);
    for (uint32_t i = 0; good && i < page.taken && i < WIRE_SPARE_PLACES; i++)
        if (read_at(file, WIRE_HEAD_SIZE + i * WIRE_SPARE_STRIDE, sizeof head, &head) && is_head(&head))
            out[count++] = head.pid;
    if (file >= 0)
        close(file);
    return count;
}

static void add_one(int file, uint64_t base, uint64_t size, const char *path, struct arena *arena, struct vector *list,
                    struct recordings *out) {
    struct recording one = {0};
    if (!read_compact(file, base, size, arena, &one) || !decode(&one, path, arena)) {
        out->damaged++;
        return;
    }
    out->missing += one.samples.head.unrecorded;
    *vector_push(list, struct recording) = one;
}

static void add_spare(int file, const char *path, struct arena *arena, struct vector *list, struct recordings *out) {
    struct wire_spare page;
    if (!read_at(file, 0, sizeof page, &page))
        return;
    for (uint32_t i = 0; i < page.taken && i < WIRE_SPARE_PLACES; i++)
        add_one(file, WIRE_HEAD_SIZE + i * WIRE_SPARE_STRIDE, WIRE_SPARE_STRIDE, path, arena, list, out);
}

static void add_file(const char *folder, const char *name, struct arena *arena, struct vector *list,
                     struct recordings *out) {
    const char *path = arena_format(arena, "%s/%s", folder, name);
    struct stat status;
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (file < 0 || fstat(file, &status) != 0 || !S_ISREG(status.st_mode))
        out->damaged++;
    else if (strcmp(name, WIRE_SPARE_NAME) == 0)
        add_spare(file, path, arena, list, out);
    else
        add_one(file, 0, (uint64_t)status.st_size, path, arena, list, out);
    if (file >= 0)
        close(file);
}

static int by_start(const void *a, const void *b) {
    const struct recording *left = a, *right = b;
    uint64_t x = left->samples.head.clock, y = right->samples.head.clock;
    return x != y ? (x > y) - (x < y) : (left->pid > right->pid) - (left->pid < right->pid);
}

static void finish(struct vector *list, struct arena *arena, struct recordings *out) {
    out->list = arena_new(arena, struct recording, list->count + 1);
    out->count = list->count;
    if (list->count) {
        memcpy(out->list, list->items, list->count * sizeof *out->list);
        qsort(out->list, out->count, sizeof *out->list, by_start);
    }
    vector_deinit(list);
}

void recordings_read_folder(const char *folder, struct arena *arena, struct recordings *out) {
    *out = (struct recordings){0};
    struct vector list = {0};
    DIR *directory = opendir(folder);
    for (struct dirent *entry; directory && (entry = readdir(directory));)
        if (entry->d_name[0] != '.')
            add_file(folder, entry->d_name, arena, &list, out);
    if (directory)
        closedir(directory);
    finish(&list, arena, out);
}

/* --- a process --- */

struct error *recording_read_process(int pid, struct arena *arena, struct recording *out, bool *found_out) {
    struct maps maps;
    char path[64];
    *found_out = false;
    TRY(maps_read(pid, arena, &maps));
    snprintf(path, sizeof path, "/proc/%d/mem", proc_live_thread(pid));
    for (size_t i = 0; i < maps.count && !*found_out; i++) {
        const struct memory_segment *segment = &maps.segments[i];
        if (!strstr(segment->path, WIRE_NAME))
            continue;
        int file = open(path, O_RDONLY | O_CLOEXEC);
        if (file < 0)
            return error_from_errno(STATUS_PERMISSION, "reading the samples of process %d", pid);
        *found_out = read_compact(file, segment->begin, segment->end - segment->begin, arena, out);
        close(file);
    }
    if (*found_out)
        *found_out = decode(out, "the recording of the process", arena);
    return NULL;
}

/* --- files --- */

static const unsigned char frame_magic[] = {0x28, 0xb5, 0x2f, 0xfd};

bool recordings_recognise(const char *path) {
    char begin[8] = {0};
    int file = open(path, O_RDONLY | O_CLOEXEC);
    bool read_it = file >= 0 && read_at(file, 0, sizeof begin, begin);
    if (file >= 0)
        close(file);
    return read_it && (memcmp(begin, frame_magic, sizeof frame_magic) == 0 || memcmp(begin, WIRE_MAGIC, 8) == 0);
}

static struct error *read_frame(const char *path, const void *packed, size_t length, struct arena *arena,
                                struct recording *out) {
    unsigned long long size = ZSTD_getFrameContentSize(packed, length);
    if (size < sizeof(struct wire_head) || size > RECORDING_MOST)
        return error_create(STATUS_BAD_FILE, "%s: not a recording, or a damaged one", path);
    out->bytes = arena_allocate(arena, 1, size);
    out->length = ZSTD_decompress(out->bytes, size, packed, length);
    if (ZSTD_isError(out->length))
        return error_create(STATUS_BAD_FILE, "%s is damaged: %s", path, ZSTD_getErrorName(out->length));
    if (samples_are_planes(out->bytes, out->length)) {
        const void *planes = out->bytes;
        TRY(samples_check_version(planes, out->length, path));
        out->bytes = arena_allocate(arena, 1, out->length);
        if (!samples_from_planes(planes, out->length, out->bytes))
            return error_create(STATUS_BAD_FILE, "%s is damaged: a region lies outside of its recording", path);
    }
    TRY(read_samples(out->bytes, out->length, path, arena, out));
    out->pid = out->samples.head.pid;
    return NULL;
}

static struct error *read_frames(const char *path, const char *bytes, size_t length, struct arena *arena,
                                 struct recordings *out) {
    struct vector list = {0};
    struct error *error = NULL;
    while (length && !error) {
        size_t size = ZSTD_findFrameCompressedSize(bytes, length);
        if (ZSTD_isError(size)) {
            error = error_create(STATUS_BAD_FILE, "%s is truncated or damaged after %zu recordings", path, list.count);
            break;
        }
        error = read_frame(path, bytes, size, arena, vector_push(&list, struct recording));
        bytes += size;
        length -= size;
    }
    finish(&list, arena, out);
    return error;
}

struct error *recordings_read_file(const char *path, struct arena *arena, struct recordings *out) {
    *out = (struct recordings){0};
    struct stat status;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0 || fstat(file, &status) != 0) {
        struct error *error = error_from_errno(STATUS_NO_TARGET, "reading %s", path);
        if (file >= 0)
            close(file);
        return error;
    }
    size_t length = (size_t)status.st_size;
    char *bytes = arena_allocate(arena, 1, length + 1);
    bool complete = read_at(file, 0, length, bytes);
    close(file);
    if (!complete)
        return error_from_errno(STATUS_NO_TARGET, "reading %s", path);
    if (length >= sizeof frame_magic && memcmp(bytes, frame_magic, sizeof frame_magic) == 0)
        return read_frames(path, bytes, length, arena, out);
    out->list = arena_new(arena, struct recording, 1);
    TRY(read_samples(bytes, length, path, arena, out->list));
    out->list[0].pid = out->list[0].samples.head.pid;
    out->count = 1;
    return NULL;
}

/* One frame, with a checksum; its length, 0 if there is no memory for it. */
static size_t pack(const struct recording *recording, void *out, size_t room) {
    ZSTD_CCtx *context = ZSTD_createCCtx();
    void *planes = malloc(recording->length);
    size_t length = 0;
    if (context && planes && samples_to_planes(recording->bytes, recording->length, planes)) {
        ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, LEVEL);
        ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
        length = ZSTD_compress2(context, out, room, planes, recording->length);
    }
    free(planes);
    ZSTD_freeCCtx(context);
    return ZSTD_isError(length) ? 0 : length;
}

struct error *recordings_write(const struct recordings *recordings, const char *path) {
    struct output output;
    TRY(output_open(path, &output));
    bool good = true;
    for (size_t i = 0; i < recordings->count && good; i++) {
        const struct recording *one = &recordings->list[i];
        size_t room = ZSTD_compressBound(one->length);
        char *packed = malloc(room);
        size_t length = packed ? pack(one, packed, room) : 0;
        good = length && fwrite(packed, 1, length, output.file) == length;
        free(packed);
    }
    struct error *error = output_close(&output);
    return error || good ? error : error_create(STATUS_OUTPUT, "writing %s: no memory to compress it", path);
}

void recordings_merge(const struct recordings *recordings, struct arena *arena, struct samples *out) {
    const struct samples **parts = arena_new(arena, const struct samples *, recordings->count + 1);
    for (size_t i = 0; i < recordings->count; i++)
        parts[i] = &recordings->list[i].samples;
    if (recordings->count == 1)
        *out = *parts[0];
    else
        samples_merge(parts, recordings->count, arena, out);
}
