/* What both halves of the layout probe need: CPython's internal headers, structures that no header has, one row's
 * words. Compiled against each version in turn. */
#ifndef CAULK_TOOLS_LAYOUT_PROBE_H
#define CAULK_TOOLS_LAYOUT_PROBE_H

#define Py_BUILD_CORE 1
#include <Python.h>
#include <stddef.h>
#include <structmember.h>

#include "internal/pycore_code.h"
#include "internal/pycore_gc.h"
#include "internal/pycore_interp.h"
#include "internal/pycore_pystate.h"
#include "internal/pycore_runtime.h"
#if PY_VERSION_HEX >= 0x030b0000
#include "internal/pycore_dict.h"
#include "internal/pycore_frame.h"
#include "internal/pycore_moduleobject.h"
#include "internal/pycore_typeobject.h"
#else
#include <frameobject.h>
#endif
#if PY_VERSION_HEX >= 0x030e0000
#include "internal/pycore_genobject.h"
#include "internal/pycore_interpframe.h"
#endif
#if PY_VERSION_HEX >= 0x030a0000 && PY_VERSION_HEX < 0x030b0000
#include "internal/pycore_moduleobject.h"
#endif

#define NONE 4294967295u
#define ROW(name, value) printf("    .%s = %uu,\n", #name, (unsigned)(value))
#define AT(name, structure, field) ROW(name, offsetof(structure, field))

#if PY_VERSION_HEX >= 0x030d0000
typedef managed_static_type_state static_type_state;
#elif PY_VERSION_HEX >= 0x030c0000
typedef static_builtin_state static_type_state;
#endif

#if PY_VERSION_HEX < 0x030a0000
/* Objects/moduleobject.c */
typedef struct {
    PyObject_HEAD
    PyObject *md_dict;
    struct PyModuleDef *md_def;
    void *md_state;
    PyObject *md_weaklist;
    PyObject *md_name;
} PyModuleObject;
#endif

#if PY_VERSION_HEX < 0x030b0000
/* Objects/dict-common.h */
struct _dictkeysobject {
    Py_ssize_t dk_refcnt;
    Py_ssize_t dk_size;
    void *dk_lookup;
    Py_ssize_t dk_usable;
    Py_ssize_t dk_nentries;
    char dk_indices[];
};
#endif

/* What the build was configured as: enum layout_build. */
#ifdef Py_GIL_DISABLED
#define BUILD_FREE_THREADED 1
#else
#define BUILD_FREE_THREADED 0
#endif
#ifdef Py_DEBUG
#define BUILD_DEBUG 2
#else
#define BUILD_DEBUG 0
#endif

#define MEMBER_SIZE(structure, field) sizeof(((structure *)0)->field)

/* The rows of code, types, containers, text and functions (layout_probe_objects.c). */
void print_objects(void);

/* The rows of what free-threaded builds have otherwise (layout_probe_threads.c). */
void print_threads(void);

/* The rows of where a process tells the same (layout_probe_told.c). */
void print_told(void);

#endif
