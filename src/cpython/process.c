/* Finds the interpreter in a process and checks that its layout is the one we think it is. */
#include "cpython/process.h"

#include "cpython/door.h"
#include "cpython/signature.h"
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

static void set_version(struct python_process *process, uint32_t version) {
    process->version = version;
    snprintf(process->version_text, sizeof process->version_text, "%u.%u.%u", version >> 24,
             version >> 16 & 0xff, version >> 8 & 0xff);
}

/* As sys.abiflags: "3.13.15t", "3.14.10d". */
static void name_build(struct python_process *process) {
    if (process->layout->build & LAYOUT_FREE_THREADED)
        strcat(process->version_text, "t");
    if (process->layout->build & LAYOUT_DEBUG)
        strcat(process->version_text, "d");
}

static struct error *refuse_version(int pid, const struct python_process *process) {
    return error_create(STATUS_UNSUPPORTED,
                        "process %d runs Python %s, which caulk does not know; supported: %s", pid,
                        process->version_text, layout_supported_versions());
}

static struct error *refuse_structures(int pid, const struct python_process *process) {
    return error_create(STATUS_UNSUPPORTED,
                        "process %d: the structures of its Python %s are not where they should be: a build that caulk "
                        "does not know (patched, or with options such as --with-trace-refs?)",
                        pid, process->version_text);
}

static struct error *refuse_unready(int pid) {
    return error_create(
        STATUS_BUSY, "process %d: its Python is not initialized; it is starting or ending, try again", pid);
}

static struct error *take_version(const struct memory *memory, uint32_t version, struct python_process *process) {
    set_version(process, version);
    process->layout = layout_find(process->version);
    if (!process->layout)
        return refuse_version(memory->pid, process);
    remote_address interpreter = door_first_interpreter(memory, process->layout, process->runtime);
    process->layout = door_choose(memory, process->version, process->runtime, &process->made);
    if (process->layout)
        return NULL;
    return interpreter ? refuse_structures(memory->pid, process) : refuse_unready(memory->pid);
}

static struct error *read_version(const struct memory *memory, remote_address symbol,
                                  struct python_process *process) {
    uint64_t version;
    if (!memory_read_word(memory, symbol, &version))
        return error_create(
            STATUS_BUSY, "process %d: its Python version is unreadable; it is starting or ending, try again",
            memory->pid);
    return take_version(memory, (uint32_t)version, process);
}

/* --- versions without Py_Version --- */

/* Whether a str object of the target is this short text. */
static bool is_text(const struct memory *memory, const struct layout *layout, remote_address object,
                    const char *text) {
    char bytes[16];
    uint64_t length = strlen(text), found;
    return object && length <= sizeof bytes &&
           memory_read_word(memory, object + layout->text_length, &found) && found == length &&
           memory_read(memory, object + layout->text_ascii_size, length, bytes) &&
           memcmp(bytes, text, length) == 0;
}

/* The used entries of the keys of a dict: key and value are the last two words of each. */
struct key_entries {
    remote_address begin;
    uint64_t size, count;
};

/* Before 3.11 the indices have one or two bytes each; later a table says how many bytes they have in all, and one of
 * text keys has no hashes. */
static bool find_entries(const struct memory *memory, const struct layout *layout, remote_address keys,
                         struct key_entries *out) {
    enum { NAMES_MAX = 1 << 14, INDEX_BITS_MOST = 16 };
    uint64_t size = 0, log2_bytes = 0, kind = 0;
    *out = (struct key_entries){keys + layout->keys_indices, 24, 0};
    if (!memory_read_word(memory, keys + layout->keys_entry_count, &out->count) || out->count > NAMES_MAX)
        return false;
    if (layout->keys_size != LAYOUT_NONE) {
        bool known = memory_read_word(memory, keys + layout->keys_size, &size) && size <= NAMES_MAX;
        out->begin += size * (size <= 0xff ? 1 : 2);
        return known && out->count <= size;
    }
    if (!memory_read(memory, keys + layout->keys_log2_index_bytes, 1, &log2_bytes) || log2_bytes > INDEX_BITS_MOST ||
        !memory_read(memory, keys + layout->keys_kind, 1, &kind))
        return false;
    out->begin += 1ull << log2_bytes;
    out->size = kind == 0 ? 24 : 16;
    return true;
}

/* sys.hexversion, which is an integer of one digit; 0 if `keys` are not the keys of sys.__dict__. */
static uint32_t find_hexversion(const struct memory *memory, const struct layout *layout, remote_address keys) {
    struct key_entries entries;
    uint64_t key, value;
    if (!find_entries(memory, layout, keys, &entries))
        return 0;
    remote_address last = entries.begin + entries.count * entries.size;
    for (remote_address end = entries.begin + entries.size; end <= last; end += entries.size) {
        uint32_t digit;
        if (memory_read_word(memory, end - 16, &key) && is_text(memory, layout, key, "hexversion") &&
            memory_read_word(memory, end - 8, &value) &&
            memory_read(memory, value + layout->long_digits, sizeof digit, &digit))
            return digit;
    }
    return 0;
}

/* Whether the file that holds the runtime is named after the minor version of the row. */
static bool is_named_after(const struct memory_segment *library, const struct layout *layout) {
    char name[24];
    snprintf(name, sizeof name, "python%u.%u", layout->version >> 24, layout->version >> 16 & 0xff);
    const char *found = strstr(library->path, name);
    return found && !(found[strlen(name)] >= '0' && found[strlen(name)] <= '9');
}

/* The version that the interpreter gives of itself when it is read by this row; 0 if it gives none, and
 * whether that is because it is not that far yet. */
static uint32_t ask_interpreter(const struct memory *memory, const struct layout *layout,
                                const struct python_process *process, bool *starting_out) {
    uint64_t namespace, keys;
    remote_address interpreter = door_first_interpreter(memory, layout, process->runtime);
    if (!interpreter) {
        *starting_out |= is_named_after(process->library, layout);
        return 0;
    }
    if (!door_interpreter_fits(memory, layout, process->runtime, interpreter))
        return 0;
    uint32_t version = 0;
    if (memory_read_word(memory, interpreter + layout->interpreter_sysdict, &namespace) && namespace &&
        memory_read_word(memory, namespace + layout->dict_keys, &keys))
        version = find_hexversion(memory, layout, keys);
    *starting_out |= version == 0;
    return version;
}

/* Before 3.11 there is no Py_Version, and a file without symbols has none: the row that fits and finds its own minor
 * version in sys is the right one. */
static struct error *recognise_version(const struct memory *memory, struct python_process *process) {
    const struct memory_segment *library = process->library;
    size_t count;
    bool starting = false;
    const struct layout *rows = layout_rows(&count);
    for (size_t i = 0; i < count; i++) {
        uint32_t version = ask_interpreter(memory, &rows[i], process, &starting);
        if (version >> 16 == rows[i].version >> 16)
            return take_version(memory, version, process);
    }
    if (starting)
        return refuse_unready(memory->pid);
    const char *slash = strrchr(library->path, '/');
    return error_create(STATUS_UNSUPPORTED,
                        "process %d runs a Python that caulk does not know (%s); supported: %s", memory->pid,
                        slash ? slash + 1 : library->path, layout_supported_versions());
}

/* A damaged chain of interpreters may be a ring. */
static bool is_found(const struct python_process *process, remote_address interpreter) {
    for (size_t i = 0; i < process->interpreter_count; i++)
        if (process->interpreters[i] == interpreter)
            return true;
    return false;
}

static struct error *find_interpreters(const struct memory *memory, struct python_process *process) {
    uint64_t interpreter;
    if (!memory_read_word(memory, process->runtime + process->layout->runtime_interpreters_head,
                          &interpreter) ||
        !interpreter)
        return refuse_unready(memory->pid);
    while (interpreter && !is_found(process, interpreter) &&
           process->interpreter_count < PROCESS_INTERPRETERS_MAX) {
        bool fits = door_interpreter_fits(memory, process->layout, process->runtime, interpreter);
        process->damaged = !fits && process->interpreter_count > 0;
        if (process->damaged)
            break;
        if (!fits)
            return refuse_structures(memory->pid, process);
        process->interpreters[process->interpreter_count++] = interpreter;
        if (!memory_read_word(memory, interpreter + process->layout->interpreter_next, &interpreter))
            break;
    }
    return NULL;
}

/* Older interpreters keep their state in many static variables; their types are exported all the same. */
static struct error *refuse_without_runtime(const struct memory *memory) {
    const struct memory_segment *library;
    if (!find_symbol(memory, "PyType_Type", &library))
        return error_create(STATUS_NOT_PYTHON,
                            "process %d is not Python: no _PyRuntime symbol in any file that it has mapped",
                            memory->pid);
    const char *slash = strrchr(library->path, '/');
    return error_create(
        STATUS_UNSUPPORTED,
        "process %d runs a Python that caulk does not know (%s, older than 3.7); supported: %s", memory->pid,
        slash ? slash + 1 : library->path, layout_supported_versions());
}

static bool find_without_symbols(const struct memory *memory, struct python_process *process, uint32_t *version_out) {
    struct signature found;
    if (!signature_find(memory, &found))
        return false;
    process->runtime = found.runtime;
    process->library = found.library;
    *version_out = found.version;
    return true;
}

struct error *python_process_find(const struct memory *memory, struct python_process *out) {
    memset(out, 0, sizeof *out);
    uint32_t told = 0;
    out->runtime = find_symbol(memory, "_PyRuntime", &out->library);
    if (!out->runtime && !find_without_symbols(memory, out, &told))
        return refuse_without_runtime(memory);
    remote_address version = elf_file_symbol(memory, out->library, "Py_Version");
    if (told)
        TRY(take_version(memory, told, out));
    else if (version)
        TRY(read_version(memory, version, out));
    else
        TRY(recognise_version(memory, out));
    name_build(out);
    uint64_t finalizing;
    out->ending = memory_read_word(memory, out->runtime + out->layout->runtime_finalizing, &finalizing) && finalizing;
    return find_interpreters(memory, out);
}

size_t python_process_collecting(const struct python_process *process, remote_address *out, size_t capacity) {
    size_t count = 0;
    if (process->layout->thread_heaps != LAYOUT_NONE)
        return 0;
    for (size_t i = 0; i < process->interpreter_count && count < capacity; i++)
        out[count++] =
            process->interpreters[i] + process->layout->interpreter_gc + process->layout->gc_collecting;
    return count;
}
