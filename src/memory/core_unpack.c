/* Unpacks a core that is packed by gzip or zstd, as a stream, into an unlinked file: never twice in memory. */
#include "memory/core_work.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

enum { BUFFER_BYTES = 256 << 10, GZIP_WINDOW = 15 + 16 };

struct unpacking {
    const char *path;
    int from, to;
    uint64_t read, written;
    size_t length, at; /* of what is in `in` */
    bool failed;       /* writing */
    int failure;       /* errno of it */
    unsigned char in[BUFFER_BYTES], out[BUFFER_BYTES];
};

static const char *folder(void) {
    const char *chosen = getenv("TMPDIR");
    return chosen && *chosen ? chosen : "/var/tmp";
}

static struct error *create_unlinked(const char *for_path, int *out) {
    char name[4096];
    *out = open(folder(), O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
    if (*out < 0 && snprintf(name, sizeof name, "%s/caulk-XXXXXX", folder()) < (int)sizeof name &&
        (*out = mkostemp(name, O_CLOEXEC)) >= 0)
        unlink(name);
    if (*out < 0)
        return error_from_errno(STATUS_OUTPUT, "unpacking %s into %s (set TMPDIR to another folder)", for_path, folder());
    return NULL;
}

/* The next piece of the packed file; false at its end. */
static bool refill(struct unpacking *unpacking) {
    unpacking->length = core_read_file(unpacking->from, unpacking->read, BUFFER_BYTES, unpacking->in);
    unpacking->read += unpacking->length;
    unpacking->at = 0;
    return unpacking->length > 0;
}

static bool is_zero(const unsigned char *bytes, size_t size) {
    return size == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0);
}

/* Pages of zeros become holes. */
static bool keep(struct unpacking *unpacking, size_t size) {
    for (size_t at = 0; at < size;) {
        size_t piece = CORE_PAGE - (size_t)((unpacking->written + at) % CORE_PAGE);
        if (piece > size - at)
            piece = size - at;
        size_t done = is_zero(unpacking->out + at, piece) ? piece : 0;
        while (done < piece) {
            ssize_t some = pwrite(unpacking->to, unpacking->out + at + done, piece - done,
                                  (off_t)(unpacking->written + at + done));
            if (some < 0 && errno == EINTR)
                continue;
            if (some <= 0) {
                unpacking->failed = true;
                unpacking->failure = errno;
                return false;
            }
            done += (size_t)some;
        }
        at += piece;
    }
    unpacking->written += size;
    return true;
}

/* Both return whether the stream came to a proper end. */
static bool unpack_zstd(struct unpacking *unpacking) {
    ZSTD_DCtx *context = ZSTD_createDCtx();
    size_t rest = 1;
    bool more = context != NULL;
    while (more && (unpacking->at < unpacking->length || refill(unpacking))) {
        ZSTD_inBuffer in = {unpacking->in, unpacking->length, unpacking->at};
        ZSTD_outBuffer out = {unpacking->out, BUFFER_BYTES, 0};
        do {
            out.pos = 0;
            rest = ZSTD_decompressStream(context, &out, &in);
            more = !ZSTD_isError(rest) && keep(unpacking, out.pos);
        } while (more && (in.pos < in.size || (rest && out.pos == BUFFER_BYTES)));
        unpacking->at = unpacking->length;
    }
    ZSTD_freeDCtx(context);
    return more && rest == 0;
}

static bool unpack_gzip(struct unpacking *unpacking) {
    z_stream stream = {0};
    int state = inflateInit2(&stream, GZIP_WINDOW);
    bool more = state == Z_OK;
    while (more && (unpacking->at < unpacking->length || refill(unpacking))) {
        if (state == Z_STREAM_END && inflateReset(&stream) != Z_OK)
            break; /* a gzip file may have several parts */
        stream.next_in = unpacking->in + unpacking->at;
        stream.avail_in = (unsigned)(unpacking->length - unpacking->at);
        do {
            stream.next_out = unpacking->out;
            stream.avail_out = BUFFER_BYTES;
            state = inflate(&stream, Z_NO_FLUSH);
            more = (state == Z_OK || state == Z_STREAM_END || state == Z_BUF_ERROR) &&
                   keep(unpacking, BUFFER_BYTES - stream.avail_out);
        } while (more && state == Z_OK && stream.avail_out == 0);
        unpacking->at = unpacking->length - stream.avail_in;
    }
    inflateEnd(&stream);
    return state == Z_STREAM_END;
}

static struct error *finish(const struct unpacking *unpacking) {
    if (unpacking->failed) {
        errno = unpacking->failure;
        return error_from_errno(STATUS_OUTPUT, "unpacking %s into %s (set TMPDIR to a folder with more room)",
                                unpacking->path, folder());
    }
    if (ftruncate(unpacking->to, (off_t)unpacking->written) != 0)
        return error_from_errno(STATUS_OUTPUT, "unpacking %s into %s", unpacking->path, folder());
    return NULL;
}

static struct error *unpack(const char *path, int *descriptor, bool (*how)(struct unpacking *), bool *cut_out) {
    int file;
    TRY(create_unlinked(path, &file));
    struct unpacking *unpacking = calloc(1, sizeof *unpacking);
    struct error *error;
    if (unpacking) {
        unpacking->path = path;
        unpacking->from = *descriptor;
        unpacking->to = file;
        *cut_out = !how(unpacking);
        error = finish(unpacking);
    } else {
        error = error_create(STATUS_INTERNAL, "unpacking %s: out of memory", path);
    }
    free(unpacking);
    if (error) {
        close(file);
        return error;
    }
    close(*descriptor);
    *descriptor = file;
    return NULL;
}

struct error *core_unpack(const char *path, int *descriptor, bool *cut_out) {
    unsigned char begin[6] = {0};
    core_read_file(*descriptor, 0, sizeof begin, begin);
    if (memcmp(begin, "\x28\xb5\x2f\xfd", 4) == 0)
        return unpack(path, descriptor, unpack_zstd, cut_out);
    if (memcmp(begin, "\x1f\x8b", 2) == 0)
        return unpack(path, descriptor, unpack_gzip, cut_out);
    if (memcmp(begin, "\xfd" "7zXZ", 5) == 0)
        return error_create(STATUS_BAD_FILE, "%s is packed by xz; unpack it first (xz -d)", path);
    if (memcmp(begin, "\x04\x22\x4d\x18", 4) == 0)
        return error_create(STATUS_BAD_FILE, "%s is packed by lz4; unpack it first (lz4 -d)", path);
    return NULL;
}
