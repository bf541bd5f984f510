/* Feeds the reader of .caulk files with libFuzzer: inputs are files, or changes to the contents of a sound one. */
#include "support/forged_file.h"
#include "support/heap_world.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { CAPACITY = 1 << 20 };

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void read_bytes(const char *bytes, size_t size) {
    char path[64];
    struct heap *heap;
    int descriptor = memfd_create("fuzz", MFD_CLOEXEC);
    if (descriptor < 0 || write(descriptor, bytes, size) != (ssize_t)size)
        abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", descriptor);
    struct error *error = heap_file_read(path, &heap);
    if (error && (heap || error->status != STATUS_BAD_FILE))
        abort();
    if (!error && graph_check(&heap->graph) != NULL)
        abort();
    if (!error && use_heap(heap) == 0)
        abort();
    error_discard(error);
    heap_close(heap);
    close(descriptor);
}

/* The sound file that changes are made to; made afresh, since it is small. */
static size_t sound_file(char *out) {
    struct world world;
    char path[64];
    world_make(&world, heap_drawing);
    snprintf(path, sizeof path, "/tmp/caulk-fuzz-%d.caulk", (int)getpid());
    if (!write_heap(&world, path, true))
        abort();
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t size = read(descriptor, out, CAPACITY);
    close(descriptor);
    unlink(path);
    world_end(&world);
    return size > 0 ? (size_t)size : 0;
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size) {
    static char sound[CAPACITY], packed[CAPACITY];
    static size_t sound_size;
    if (!sound_size)
        sound_size = sound_file(sound);
    if (size < 1)
        return 0;
    if (data[0] & 1) {
        read_bytes((const char *)data + 1, size - 1);
        return 0;
    }
    struct forged_file forged;
    forged_file_open(&forged, sound, sound_size);
    forged_file_change(&forged, data + 1, size - 1);
    read_bytes(packed, forged_file_pack(&forged, packed, CAPACITY));
    forged_file_close(&forged);
    return 0;
}
