/* A folder for a moment in the file system that a process sees, open to its user alone. */
#ifndef CAULK_APP_ATTACH_FOLDER_H
#define CAULK_APP_ATTACH_FOLDER_H

#include <stdbool.h>

struct attach_folder {
    char path[64];      /* as the process sees it; "" if there is none */
    char name[32];      /* in its parent */
    int parent, folder; /* descriptors, -1 none */
};

/* In the first of /tmp, /var/tmp, /dev/shm, /run that can be written. False, with errno, if there is none. */
bool attach_folder_make(int pid, struct attach_folder *out);

/* Removes it with what is in it. */
void attach_folder_remove(struct attach_folder *folder);

/* A new file for the process to read, open for writing; -1 with errno. */
int attach_folder_create(const struct attach_folder *folder, const char *name);

/* Copies a file of ours into it. */
bool attach_folder_copy(const struct attach_folder *folder, const char *from, const char *name);

#endif
