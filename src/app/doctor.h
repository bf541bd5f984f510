/* What caulk can and cannot do with a process: one check per condition, in the order in which they matter. */
#ifndef CAULK_APP_DOCTOR_H
#define CAULK_APP_DOCTOR_H

#include "cpython/process.h"
#include "memory/live.h"
#include "memory/live_conditions.h"

enum doctor_verdict { DOCTOR_OK, DOCTOR_LIMITED, DOCTOR_NO, DOCTOR_UNKNOWN };

struct doctor_check {
    const char *name;
    enum doctor_verdict verdict;
    char reason[700]; /* plain words; may have text of the target in it */
    char remedy[700]; /* what to do, "" if nothing */
};

enum { DOCTOR_CHECKS_MAX = 24 };

/* What was found out before any check is written down. */
struct doctor_facts {
    int pid;
    struct live_identity identity;
    struct live_conditions conditions;
    struct error *open_error;   /* of opening the process, NULL if that worked */
    struct error *python_error; /* of finding Python in it */
    struct memory *memory;      /* NULL if it could not be opened */
    struct python_process process; /* valid if memory and no python_error */
};

struct doctor_checks {
    struct doctor_check items[DOCTOR_CHECKS_MAX];
    size_t count;
    bool works; /* a heap could be taken */
    int status; /* else the status that `caulk leaks` would give */
};

/* The conditions of the process, as words. Reads only; stops nothing. */
void doctor_examine(const struct doctor_facts *facts, struct doctor_checks *out);

#endif
