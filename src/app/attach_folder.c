/* Folders in the file system of another process. */
#include "app/attach_folder.h"

#include "memory/maps.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PREFIX "caulk-"
enum { DIGITS = 16 };

/* A link would lead out of the process's root: none is followed. */
static int open_parent(int pid, const char *path) {
    char words[32];
    snprintf(words, sizeof words, "/proc/%d/root", proc_live_thread(pid));
    int folder = open(words, O_PATH | O_DIRECTORY | O_CLOEXEC);
    snprintf(words, sizeof words, "%s", path);
    for (char *save = NULL, *word = strtok_r(words, "/", &save); word && folder >= 0; word = strtok_r(NULL, "/", &save)) {
        int next = openat(folder, word, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        close(folder);
        folder = next;
    }
    return folder;
}

static void find_owner(int pid, uid_t *user_out, gid_t *group_out) {
    char path[64], status[8192];
    snprintf(path, sizeof path, "/proc/%d/status", proc_live_thread(pid));
    if (proc_read(path, sizeof status, status) <= 0)
        status[0] = '\0';
    unsigned user = geteuid(), group = getegid();
    const char *at = strstr(status, "\nUid:");
    if (at)
        sscanf(at + 5, "%*u %*u %*u %u", &user);
    at = strstr(status, "\nGid:");
    if (at)
        sscanf(at + 5, "%*u %*u %*u %u", &group);
    *user_out = user;
    *group_out = group;
}

static void empty(int folder) {
    DIR *entries = fdopendir(folder);
    for (struct dirent *entry; entries && (entry = readdir(entries));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            unlinkat(dirfd(entries), entry->d_name, 0);
    if (entries)
        closedir(entries);
    else
        close(folder);
}

/* Whoever made it holds a lock on it as long as he lives; what a process was asked to do with it is over by then. */
static bool is_left(int folder) {
    enum { SECONDS = 60 };
    struct stat status;
    return fstat(folder, &status) == 0 && time(NULL) - status.st_mtime > SECONDS && flock(folder, LOCK_EX | LOCK_NB) == 0;
}

static bool has_our_name(const char *name) {
    return strncmp(name, PREFIX, strlen(PREFIX)) == 0 && strlen(name) == strlen(PREFIX) + DIGITS &&
           strspn(name + strlen(PREFIX), "0123456789abcdef") == DIGITS;
}

/* Removes the folders of visitors who were killed. */
static void tidy(int parent) {
    int copy = openat(parent, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *entries = copy >= 0 ? fdopendir(copy) : NULL;
    for (struct dirent *entry; entries && (entry = readdir(entries));) {
        int folder = has_our_name(entry->d_name)
                         ? openat(parent, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
        if (folder >= 0 && is_left(folder)) {
            empty(folder);
            unlinkat(parent, entry->d_name, AT_REMOVEDIR);
        } else if (folder >= 0) {
            close(folder);
        }
    }
    if (entries)
        closedir(entries);
}

static bool make_in(int pid, const char *parent, struct attach_folder *out) {
    uint64_t number = 0;
    uid_t user;
    gid_t group;
    *out = (struct attach_folder){.parent = open_parent(pid, parent), .folder = -1};
    if (out->parent < 0 || getrandom(&number, sizeof number, 0) != sizeof number)
        return false;
    tidy(out->parent);
    snprintf(out->name, sizeof out->name, PREFIX "%0*llx", DIGITS, (unsigned long long)number);
    if (mkdirat(out->parent, out->name, 0700) != 0)
        return false;
    snprintf(out->path, sizeof out->path, "/%s/%s", parent, out->name);
    out->folder = openat(out->parent, out->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    find_owner(pid, &user, &group);
    return out->folder >= 0 && flock(out->folder, LOCK_EX) == 0 &&
           ((user == geteuid() && group == getegid()) || fchown(out->folder, user, group) == 0);
}

bool attach_folder_make(int pid, struct attach_folder *out) {
    static const char *const parents[] = {"tmp", "var/tmp", "dev/shm", "run"};
    for (size_t i = 0; i < sizeof parents / sizeof *parents; i++) {
        if (make_in(pid, parents[i], out))
            return true;
        int reason = errno;
        attach_folder_remove(out);
        errno = reason;
    }
    return false;
}

void attach_folder_remove(struct attach_folder *folder) {
    if (folder->folder >= 0)
        empty(folder->folder);
    if (folder->parent >= 0 && folder->path[0])
        unlinkat(folder->parent, folder->name, AT_REMOVEDIR);
    if (folder->parent >= 0)
        close(folder->parent);
    *folder = (struct attach_folder){.parent = -1, .folder = -1};
}

int attach_folder_create(const struct attach_folder *folder, const char *name) {
    int file = openat(folder->folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (file >= 0 && fchmod(file, 0644) != 0) { /* whatever our umask is */
        close(file);
        return -1;
    }
    return file;
}

bool attach_folder_copy(const struct attach_folder *folder, const char *from, const char *name) {
    int source = open(from, O_RDONLY | O_CLOEXEC), file = attach_folder_create(folder, name);
    ssize_t sent = -1;
    while (source >= 0 && file >= 0 && (sent = sendfile(file, source, NULL, 1 << 20)) > 0)
        ;
    if (source >= 0)
        close(source);
    if (file >= 0)
        close(file);
    return sent == 0;
}
