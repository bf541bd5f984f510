/* Writes a .caulk file: to a temporary name beside the real one, renamed when all is safely down. */
#include "graph/heap_file_format.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

enum { COMPRESSION_LEVEL = 3 };

const char file_section_names[SECTION_COUNT][9] = {
    "facts   ", "address ", "size    ", "typeof  ", "refcount", "flags   ", "degree  ", "target  ",
    "kind    ", "name    ", "nodename", "nodefact", "type    ", "wordfrom", "words   ", "end     ",
};

static void write_bytes(struct file_writer *writer, const void *bytes, size_t size) {
    for (size_t done = 0; done < size && !writer->error;) {
        ssize_t count = write(writer->descriptor, (const char *)bytes + done, size - done);
        if (count < 0 && errno != EINTR)
            writer->error = error_from_errno(STATUS_OUTPUT, "writing the snapshot to %s (is there space? choose another"
                                             " place with -o)", writer->path);
        else if (count > 0)
            done += (size_t)count;
    }
}

static void flush_chunk(struct file_writer *writer) {
    if (!writer->raw_used || writer->error)
        return;
    size_t size = ZSTD_compress2(writer->compressor, writer->packed, writer->packed_capacity, writer->raw,
                                 writer->raw_used);
    if (ZSTD_isError(size)) {
        writer->error = error_create(STATUS_INTERNAL, "compressing the snapshot for %s: %s", writer->path,
                                     ZSTD_getErrorName(size));
        return;
    }
    uint32_t packed_size = (uint32_t)size;
    write_bytes(writer, &packed_size, sizeof packed_size);
    write_bytes(writer, writer->packed, size);
    writer->raw_used = 0;
}

void file_writer_begin(struct file_writer *writer, enum file_section section, uint64_t size) {
    struct file_section_header header = {.size = size};
    memcpy(header.name, file_section_names[section], sizeof header.name);
    header.checksum = file_checksum(&header, offsetof(struct file_section_header, checksum));
    write_bytes(writer, &header, sizeof header);
}

void file_writer_add(struct file_writer *writer, const void *bytes, size_t size) {
    while (size > 0) {
        size_t room = FILE_CHUNK - writer->raw_used, count = size < room ? size : room;
        memcpy(writer->raw + writer->raw_used, bytes, count);
        writer->raw_used += count;
        bytes = (const char *)bytes + count;
        size -= count;
        if (writer->raw_used == FILE_CHUNK)
            flush_chunk(writer);
        if (writer->error)
            return;
    }
}

void file_writer_finish(struct file_writer *writer) {
    flush_chunk(writer);
}

static void write_array(struct file_writer *writer, enum file_section section, const void *items, uint64_t size) {
    file_writer_begin(writer, section, size);
    file_writer_add(writer, items, size);
    file_writer_finish(writer);
}

static void write_header(struct file_writer *writer, const struct graph *graph) {
    struct file_header header = {
        .version = FILE_VERSION,
        .node_count = graph->node_count,
        .synthetic_count = graph->synthetic_count,
        .type_count = graph->type_count,
        .edge_count = graph->edge_count,
        .faults = graph->faults,
    };
    memcpy(header.magic, FILE_MAGIC, sizeof header.magic);
    header.checksum = file_checksum(&header, offsetof(struct file_header, checksum));
    write_bytes(writer, &header, sizeof header);
}

static void write_facts(struct file_writer *writer, const struct heap_facts *facts, bool values) {
    struct text bytes = {0};
    file_facts_encode(facts, values, &bytes);
    write_array(writer, SECTION_FACTS, bytes.data, bytes.length);
    text_deinit(&bytes);
}

/* Distances are small and alike where addresses are neither. */
static void write_addresses(struct file_writer *writer, const struct graph *graph) {
    file_writer_begin(writer, SECTION_ADDRESS, graph->node_count * sizeof(uint64_t));
    uint64_t before = 0;
    for (node_id n = 0; n < graph->node_count; n++) {
        uint64_t distance = graph->addresses[n] - before;
        file_writer_add(writer, &distance, sizeof distance);
        before = graph->addresses[n];
    }
    file_writer_finish(writer);
}

static void write_degrees(struct file_writer *writer, const struct graph *graph) {
    file_writer_begin(writer, SECTION_DEGREE, graph->node_count * sizeof(uint32_t));
    for (node_id n = 0; n < graph->node_count; n++) {
        uint32_t degree = graph_out_degree(graph, n);
        file_writer_add(writer, &degree, sizeof degree);
    }
    file_writer_finish(writer);
}

static void write_all(struct file_writer *writer, const struct heap *heap, bool values) {
    const struct graph *graph = &heap->graph;
    uint64_t nodes = graph->node_count, edges = graph->edge_count;
    write_header(writer, graph);
    write_facts(writer, &heap->facts, values);
    write_addresses(writer, graph);
    write_array(writer, SECTION_SIZE, graph->sizes, nodes * sizeof *graph->sizes);
    write_array(writer, SECTION_TYPE_OF, graph->type_of, nodes * sizeof *graph->type_of);
    write_array(writer, SECTION_REFCOUNT, graph->refcounts, nodes * sizeof *graph->refcounts);
    write_array(writer, SECTION_FLAGS, graph->flags, nodes);
    write_degrees(writer, graph);
    write_array(writer, SECTION_TARGET, graph->out_target, edges * sizeof *graph->out_target);
    write_array(writer, SECTION_KIND, graph->out_kind, edges);
    file_words_write(heap, values, writer);
    write_array(writer, SECTION_END, NULL, 0);
}

static struct error *write_to_descriptor(const struct heap *heap, const char *path, int descriptor, bool values) {
    struct arena scratch = {0};
    struct file_writer writer = {
        .descriptor = descriptor,
        .path = path,
        .compressor = ZSTD_createCCtx(),
        .packed_capacity = ZSTD_compressBound(FILE_CHUNK),
    };
    if (!writer.compressor)
        return error_create(STATUS_INTERNAL, "compressing the snapshot for %s: out of memory", path);
    ZSTD_CCtx_setParameter(writer.compressor, ZSTD_c_compressionLevel, COMPRESSION_LEVEL);
    ZSTD_CCtx_setParameter(writer.compressor, ZSTD_c_checksumFlag, 1);
    writer.raw = arena_new(&scratch, char, FILE_CHUNK);
    writer.packed = arena_new(&scratch, char, writer.packed_capacity);
    write_all(&writer, heap, values);
    ZSTD_freeCCtx(writer.compressor);
    arena_deinit(&scratch);
    return writer.error;
}

/* A device or pipe cannot be replaced by renaming: it is written as it is. */
static struct error *write_to_device(const struct heap *heap, const char *path, bool values) {
    int descriptor = open(path, O_WRONLY | O_CLOEXEC);
    if (descriptor < 0)
        return error_from_errno(STATUS_OUTPUT, "opening %s to write the snapshot", path);
    struct error *error = write_to_descriptor(heap, path, descriptor, values);
    close(descriptor);
    return error;
}

static struct error *close_safely(int descriptor, const char *path) {
    struct error *error = NULL;
    if (fsync(descriptor) != 0)
        error = error_from_errno(STATUS_OUTPUT, "writing the snapshot to %s", path);
    if (close(descriptor) != 0 && !error)
        error = error_from_errno(STATUS_OUTPUT, "writing the snapshot to %s", path);
    return error;
}

/* `target` is where the file belongs, `path` what the user called it. mkostemp gives mode 0600 and O_EXCL. */
static struct error *write_and_rename(const struct heap *heap, const char *target, const char *path, bool values) {
    struct arena arena = {0};
    char *temporary = arena_format(&arena, "%s.XXXXXX", target);
    int descriptor = mkostemp(temporary, O_CLOEXEC);
    if (descriptor < 0) {
        struct error *error = error_from_errno(STATUS_OUTPUT, "creating %s (choose another place with -o)", path);
        arena_deinit(&arena);
        return error;
    }
    struct error *error = write_to_descriptor(heap, path, descriptor, values);
    struct error *close_error = close_safely(descriptor, path);
    if (error)
        error_discard(close_error);
    else
        error = close_error;
    if (!error && rename(temporary, target) != 0)
        error = error_from_errno(STATUS_OUTPUT, "renaming the finished snapshot to %s", path);
    if (error)
        unlink(temporary);
    arena_deinit(&arena);
    return error;
}

struct error *heap_file_write(const struct heap *heap, const char *path, const struct heap_file_options *options) {
    bool values = options && options->values;
    struct stat status;
    if (stat(path, &status) != 0)
        return write_and_rename(heap, path, path, values);
    if (S_ISDIR(status.st_mode))
        return error_create(STATUS_OUTPUT, "%s is a directory; name a file for the snapshot", path);
    if (!S_ISREG(status.st_mode))
        return write_to_device(heap, path, values);
    char target[PATH_MAX]; /* through a link, so that the link stays */
    return write_and_rename(heap, realpath(path, target) ? target : path, path, values);
}
