/* Fills in the words of a door: addresses of functions in the target, names, options. */
#include "app/attach_door_words.h"

#include "memory/elf_loaded.h"
#include "memory/maps.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static remote_address symbol_of_libc(const struct memory *memory, const char *name) {
    static const char *const files[] = {"/libc.so", "/libc-2", "/libdl", "/ld-musl", "/libc.musl"};
    for (size_t file = 0; file < sizeof files / sizeof *files; file++)
        for (size_t i = 0; i < memory->segment_count; i++) {
            const struct memory_segment *segment = &memory->segments[i];
            const char *base = strrchr(segment->path, '/');
            if (segment->file_offset || !base || strncmp(base, files[file], strlen(files[file])) != 0)
                continue;
            remote_address found = elf_loaded_symbol(memory, segment, name);
            if (found)
                return found;
        }
    return 0;
}

/* Of glibc no file is just libc.so. */
static bool runs_on_musl(const struct memory *memory) {
    for (size_t i = 0; i < memory->segment_count; i++) {
        const char *base = strrchr(memory->segments[i].path, '/');
        if (base && (strcmp(base, "/libc.so") == 0 || strncmp(base, "/ld-musl", 8) == 0 || strncmp(base, "/libc.musl", 10) == 0))
            return true;
    }
    return false;
}

static uint64_t own_number(int pid) {
    char path[64], status[8192];
    snprintf(path, sizeof path, "/proc/%d/status", proc_live_thread(pid));
    const char *line = proc_read(path, sizeof status, status) > 0 ? strstr(status, "\nNStgid:") : NULL;
    uint64_t number = 0;
    for (char *at = line ? (char *)line + 8 : NULL, *end; at && *at == '\t'; at = end)
        number = strtoull(at + 1, &end, 10);
    return number;
}

const char *attach_door_words(const struct attachment *attachment, struct attach_door_words *out) {
    const struct memory *memory = attachment->memory;
    const struct memory_segment *python = attach_first_segment(memory, attachment->process.library);
    struct door *door = &out->door;
    door->process = own_number(attachment->pid);
    door->entry = attachment->entry;
    door->save_thread = python ? elf_loaded_symbol(memory, python, "PyEval_SaveThread") : 0;
    door->restore_thread = python ? elf_loaded_symbol(memory, python, "PyEval_RestoreThread") : 0;
    out->lock = python ? elf_loaded_symbol(memory, python, "PyThread_acquire_lock_timed") : 0;
    out->harmless = python ? elf_loaded_symbol(memory, python, "PyErr_Occurred") : 0;
    door->open = symbol_of_libc(memory, "dlopen");
    door->find = symbol_of_libc(memory, "dlsym");
    door->error = symbol_of_libc(memory, "dlerror");
    if (!door->save_thread || !door->restore_thread || !out->harmless)
        return "its Python exports no functions";
    if (runs_on_musl(memory))
        return "its C library, musl, takes no sampler into a program that runs: start it by caulk run";
    if (!door->open || !door->find || !door->error)
        return "it cannot load libraries: it is linked statically, or its C library is not known";
    if (!door->process)
        return "its number is not known";
    if (strlen(attachment->options) >= sizeof door->options)
        return "the options are too long";
    snprintf(door->options, sizeof door->options, "%s", attachment->options);
    snprintf(door->name, sizeof door->name, "%s", attachment->function);
    return NULL;
}

void attach_door_describe_wait(const struct attachment *attachment, char *out, size_t capacity) {
    char path[64], text[64] = "";
    snprintf(path, sizeof path, "/proc/%d/wchan", attachment->pid);
    if (proc_read(path, sizeof text, text) <= 0 || strcmp(text, "0") == 0)
        snprintf(text, sizeof text, "code that is not Python's");
    if (attachment->pending.layout->main_thread_only)
        snprintf(out, capacity, "its main thread is in a long call (%.40s) and makes no pending call; try again when it "
                                "runs Python code", text);
    else
        snprintf(out, capacity, "none of its threads runs Python code; try again when one does");
}

bool attach_door_lacks_proc(int pid) {
    char path[64];
    struct stat status; /* of the link itself: it leads nowhere for who is not in that namespace */
    snprintf(path, sizeof path, "/proc/%d/root/proc/self", proc_live_thread(pid));
    return lstat(path, &status) != 0;
}
