/* Finds the interpreter in a process and checks that its layout is the one we think it is. */
#include "cpython/process.h"

#include "cpython/layout.h"
#include "memory/elf_file.h"

#include <stdio.h>
#include <string.h>

/* One segment per mapped file is enough: elf_file finds the others by inode. */
static bool first_of_file(const struct memory *memory, const struct memory_segment *segment) {
    if (!(segment->flags & SEGMENT_FILE) || segment->path[0] != '/')
        return false;
    for (const struct memory_segment *other = memory->segments; other < segment; other++)
        if (other->inode == segment->inode && other->device == segment->device)
            return false;
    return true;
}

static bool has_code(const struct memory *memory, const struct memory_segment *segment) {
    for (size_t i = 0; i < memory->segment_count; i++) {
        const struct memory_segment *other = &memory->segments[i];
        if (other->inode == segment->inode && other->device == segment->device &&
            (other->flags & SEGMENT_EXECUTE))
            return true;
    }
    return false;
}

static remote_address find_symbol(const struct memory *memory, const char *name,
                                  const struct memory_segment **library) {
    for (size_t i = 0; i < memory->segment_count; i++) {
        const struct memory_segment *segment = &memory->segments[i];
        if (!first_of_file(memory, segment) || !has_code(memory, segment))
            continue;
        remote_address address = elf_file_symbol(memory, segment, name);
        if (address) {
            *library = segment;
            return address;
        }
    }
    return 0;
}

/* Before 3.11 there is no Py_Version; the file name is all there is to name an unsupported one. */
static struct error *refuse_old(int pid, const struct memory_segment *library) {
    const char *slash = strrchr(library->path, '/');
    return error_create(
        STATUS_UNSUPPORTED,
        "process %d runs a Python that caulk does not know (%s, no Py_Version symbol: older than 3.11); "
        "supported: %s",
        pid, slash ? slash + 1 : library->path, layout_supported_versions());
}

static struct error *read_version(const struct memory *memory, struct python_process *process) {
    remote_address symbol = elf_file_symbol(memory, process->library, "Py_Version");
    uint64_t version;
    if (!symbol)
        return refuse_old(memory->pid, process->library);
    if (!memory_read_word(memory, symbol, &version))
        return error_create(
            STATUS_BUSY, "process %d: its Python version is unreadable; it is starting or ending, try again",
            memory->pid);
    process->version = (uint32_t)version;
    snprintf(process->version_text, sizeof process->version_text, "%u.%u.%u", process->version >> 24,
             process->version >> 16 & 0xff, process->version >> 8 & 0xff);
    process->layout = layout_find(process->version);
    if (!process->layout)
        return error_create(STATUS_UNSUPPORTED,
                            "process %d runs Python %s, which caulk does not know; supported: %s",
                            memory->pid, process->version_text, layout_supported_versions());
    return NULL;
}

/* A list of the collector is a ring: head.next->prev is head, its lowest bits aside. Where a truncated core has
 * lost the first object, head.prev->next tells as much; where it has lost both, that they were in its memory. */
static bool is_collector_ring(const struct memory *memory, remote_address head) {
    uint64_t next, previous, back;
    if (!memory_read_word(memory, head, &next) || !memory_read_word(memory, head + 8, &previous))
        return false;
    next &= ~7ull;
    previous &= ~7ull;
    if (memory_read_word(memory, next + 8, &back))
        return (back & ~7ull) == head;
    if (!memory_find_segment(memory, next))
        return false;
    return memory_read_word(memory, previous, &back) ? (back & ~7ull) == head
                                                     : memory_find_segment(memory, previous) != NULL;
}

/* What is true of every interpreter with this layout, checked before anything is believed. */
static bool interpreter_fits(const struct memory *memory, const struct layout *layout, remote_address runtime,
                             remote_address interpreter) {
    uint64_t back, thread, owner;
    if (!memory_read_word(memory, interpreter + layout->interpreter_runtime, &back) || back != runtime)
        return false;
    if (!memory_read_word(memory, interpreter + layout->interpreter_threads, &thread))
        return false;
    if (thread &&
        (!memory_read_word(memory, thread + layout->thread_interpreter, &owner) || owner != interpreter))
        return false;
    remote_address gc = interpreter + layout->interpreter_gc;
    for (uint32_t generation = 0; generation < 3; generation++)
        if (!is_collector_ring(memory, gc + layout->gc_generations + generation * layout->gc_generation_size))
            return false;
    return is_collector_ring(memory, gc + layout->gc_permanent_generation);
}

/* While the target runs a ring may be torn for a moment: ask a few times. */
static bool interpreter_fits_patiently(const struct memory *memory, const struct layout *layout,
                                       remote_address runtime, remote_address interpreter) {
    for (int attempt = 0; attempt < 1000; attempt++)
        if (interpreter_fits(memory, layout, runtime, interpreter))
            return true;
    return false;
}

static struct error *find_interpreters(const struct memory *memory, struct python_process *process) {
    uint64_t interpreter;
    if (!memory_read_word(memory, process->runtime + process->layout->runtime_interpreters_head,
                          &interpreter) ||
        !interpreter)
        return error_create(STATUS_BUSY,
                            "process %d: its Python is not initialized; it is starting or ending, try again",
                            memory->pid);
    while (interpreter && process->interpreter_count < PROCESS_INTERPRETERS_MAX) {
        if (!interpreter_fits_patiently(memory, process->layout, process->runtime, interpreter))
            return error_create(
                STATUS_UNSUPPORTED,
                "process %d: the structures of its Python %s are not where they should be (a debug, "
                "free-threaded or patched build?)",
                memory->pid, process->version_text);
        process->interpreters[process->interpreter_count++] = interpreter;
        if (!memory_read_word(memory, interpreter + process->layout->interpreter_next, &interpreter))
            break;
    }
    return NULL;
}

struct error *python_process_find(const struct memory *memory, struct python_process *out) {
    memset(out, 0, sizeof *out);
    out->runtime = find_symbol(memory, "_PyRuntime", &out->library);
    if (!out->runtime)
        return error_create(STATUS_NOT_PYTHON,
                            "process %d is not Python: no _PyRuntime symbol in any file that it has mapped",
                            memory->pid);
    TRY(read_version(memory, out));
    return find_interpreters(memory, out);
}

size_t python_process_collecting(const struct python_process *process, remote_address *out, size_t capacity) {
    size_t count = 0;
    for (size_t i = 0; i < process->interpreter_count && count < capacity; i++)
        out[count++] =
            process->interpreters[i] + process->layout->interpreter_gc + process->layout->gc_collecting;
    return count;
}
