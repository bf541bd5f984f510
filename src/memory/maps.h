/* /proc/PID/maps as segments. */
#ifndef CAULK_MEMORY_MAPS_H
#define CAULK_MEMORY_MAPS_H

#include "base/arena.h"
#include "memory/memory.h"

struct maps {
    struct memory_segment *segments;
    size_t count;
};

/* Reads the segments of process `pid` into `arena`. */
struct error *maps_read(int pid, struct arena *arena, struct maps *out);

/* The thread by whose number /proc shows the memory of a process: its main one, and once that has ended any that
 * lives; `pid` if none does. */
int proc_live_thread(int pid);

/* The whole of a small file of /proc, NUL-terminated, into `out`; its length, or -1 with errno. */
long proc_read(const char *path, size_t capacity, char *out);

/* The number behind `field` ("TracerPid:") in the text of /proc/PID/status; `otherwise` if it is absent. */
long proc_status_field(const char *status, const char *field, long otherwise);

/* A field of the text of a /proc stat file, counted from 1 as in proc(5), the third or a later one: where it begins; NULL
 * if it is absent. */
const char *proc_stat_field(const char *stat, int number);

/* The letter of the state of process or thread from its /proc stat file; 0 if there is no such thing. */
char proc_state(const char *stat_path);

#endif
