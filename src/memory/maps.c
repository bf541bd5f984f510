/* Reads what /proc says of a process's mappings and state. */
#include "memory/maps.h"

#include "base/vector.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static uint32_t maps_flags(const char *permissions, uint64_t inode, const char *path) {
    uint32_t flags = 0;
    flags |= permissions[0] == 'r' ? SEGMENT_READ : 0;
    flags |= permissions[1] == 'w' ? SEGMENT_WRITE : 0;
    flags |= permissions[2] == 'x' ? SEGMENT_EXECUTE : 0;
    flags |= permissions[3] == 's' ? SEGMENT_SHARED : 0;
    flags |= inode ? SEGMENT_FILE : 0;
    flags |= strcmp(path, "[stack]") == 0 ? SEGMENT_STACK : 0;
    flags |= strcmp(path, "[heap]") == 0 ? SEGMENT_HEAP : 0;
    return flags;
}

static bool maps_parse_line(const char *line, struct arena *arena, struct memory_segment *out) {
    char permissions[5];
    unsigned major_number, minor_number;
    int path_at = 0;
    int fields = sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %x:%x %" SCNu64 " %n", &out->begin,
                        &out->end, permissions, &out->file_offset, &major_number, &minor_number, &out->inode,
                        &path_at);
    if (fields < 7)
        return false;
    const char *path = path_at ? line + path_at : "";
    out->device = makedev(major_number, minor_number);
    out->flags = maps_flags(permissions, out->inode, path);
    out->path = *path ? arena_copy_text(arena, path, strlen(path)) : "";
    return true;
}

struct error *maps_read(int pid, struct arena *arena, struct maps *out) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/maps", proc_live_thread(pid));
    FILE *file = fopen(path, "re");
    if (!file)
        return error_from_errno(errno == EACCES || errno == EPERM ? STATUS_PERMISSION : STATUS_NO_TARGET,
                                "reading the memory map of process %d", pid);
    struct vector segments = {0};
    char *line = NULL;
    size_t capacity = 0;
    ssize_t length;
    while ((length = getline(&line, &capacity, file)) > 0) {
        if (line[length - 1] == '\n')
            line[length - 1] = '\0';
        struct memory_segment segment;
        if (maps_parse_line(line, arena, &segment))
            *vector_push(&segments, struct memory_segment) = segment;
    }
    bool failed = ferror(file);
    free(line);
    fclose(file);
    out->count = failed ? 0 : segments.count;
    out->segments = arena_new(arena, struct memory_segment, out->count + 1);
    if (out->count)
        memcpy(out->segments, segments.items, out->count * sizeof *out->segments);
    vector_deinit(&segments);
    if (out->count == 0)
        return error_create(STATUS_NO_TARGET, "process %d has no memory map: it has ended", pid);
    return NULL;
}

long proc_read(const char *path, size_t capacity, char *out) {
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return -1;
    size_t length = 0;
    ssize_t piece = 0;
    while (length + 1 < capacity && (piece = read(file, out + length, capacity - 1 - length)) > 0)
        length += (size_t)piece;
    int number = errno;
    close(file);
    errno = number;
    out[length] = '\0';
    return piece < 0 ? -1 : (long)length;
}

long proc_status_field(const char *status, const char *field, long otherwise) {
    size_t length = strlen(field);
    for (const char *line = status; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, field, length) == 0)
            return strtol(line + length, NULL, 10);
    }
    return otherwise;
}

/* The name, which is the second field, may have any letters in it. */
const char *proc_stat_field(const char *stat, int number) {
    const char *name_end = strrchr(stat, ')'), *field = name_end && name_end[1] == ' ' ? name_end + 2 : NULL;
    for (int at = 3; field && at < number; at++) {
        field = strchr(field, ' ');
        field += field != NULL;
    }
    return field;
}

char proc_state(const char *stat_path) {
    char text[1024];
    const char *state = proc_read(stat_path, sizeof text, text) > 0 ? proc_stat_field(text, 3) : NULL;
    return state ? *state : 0;
}

static bool is_alive(const char *stat_path) {
    char state = proc_state(stat_path);
    return state != 0 && state != 'Z' && state != 'X';
}

int proc_live_thread(int pid) {
    char path[300];
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    if (is_alive(path))
        return pid;
    snprintf(path, sizeof path, "/proc/%d/task", pid);
    DIR *tasks = opendir(path);
    int found = 0;
    for (struct dirent *entry; tasks && !found && (entry = readdir(tasks));) {
        snprintf(path, sizeof path, "/proc/%d/task/%s/stat", pid, entry->d_name);
        found = is_alive(path) ? atoi(entry->d_name) : 0;
    }
    if (tasks)
        closedir(tasks);
    return found ? found : pid;
}
