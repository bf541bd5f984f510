/* Calls a function of the sampler by a script that CPython 3.14 and later runs for us (PEP 768).
 *
 * The script and the library lie in a folder of the target's own file system, open to its user alone; the script
 * copies the library into a file in memory, so that the folder may be on a file system without execution, and
 * leaves its result beside itself. It imports nothing but _ctypes and os, and binds no name outside. */
#include "app/attach_work.h"
#include "app/agent_library.h"
#include "app/attach_folder.h"
#include "cpython/remote_debugger.h"
#include "memory/visit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SCRIPT "attach.py"
#define RESULT "result"

struct work {
    struct attachment *attachment;
    struct remote_debugger debugger;
    struct attach_folder folder;
    bool asked, withdrawn;
};

/* Functions with the GIL held are FUNCFLAG_PYTHONAPI of _ctypes, 4; 1 is the calling convention of C. */
static const char script[] =
    "def work(folder, name, options, address):\n"
    "    import os, _ctypes\n"
    "    class Int(_ctypes._SimpleCData):\n"
    "        _type_ = 'i'\n"
    "    class Function(_ctypes.CFuncPtr):\n"
    "        _flags_ = 5\n"
    "        _restype_ = Int\n"
    "    if not address:\n"
    "        with open('/proc/self/maps') as maps:\n"
    "            if any('" AGENT_LIBRARY "' in line or 'caulk-door' in line for line in maps):\n"
    "                raise RuntimeError('another caulk visits it')\n"
    "        file = os.memfd_create('script/" AGENT_LIBRARY "', os.MFD_CLOEXEC)\n"
    "        try:\n"
    "            source = os.open(folder + '/" AGENT_LIBRARY "', os.O_RDONLY | os.O_CLOEXEC)\n"
    "            try:\n"
    "                while os.sendfile(file, source, None, 1 << 20):\n"
    "                    pass\n"
    "            finally:\n"
    "                os.close(source)\n"
    "            address = _ctypes.dlsym(_ctypes.dlopen('/proc/self/fd/%%d' %% file, os.RTLD_NOW), name)\n"
    "        finally:\n"
    "            os.close(file)\n"
    "    return 'called %%d' %% Function(address)(options)\n"
    "def report(folder, *arguments):\n"
    "    try:\n"
    "        text = work(folder, *arguments)\n"
    "    except BaseException as error:\n"
    "        text = 'failed %%s' %% error\n"
    "    try:\n"
    "        import os\n"
    "        with open(folder + '/" RESULT ".new', 'w') as file:\n"
    "            file.write(text[:250])\n"
    "        os.rename(folder + '/" RESULT ".new', folder + '/" RESULT "')\n"
    "    except OSError:\n"
    "        pass\n"
    "report('%s', '%s', b'%s', %llu)\n";

static bool fill_folder(struct work *work) {
    const struct attachment *attachment = work->attachment;
    if (!attach_folder_make(attachment->pid, &work->folder) ||
        (!attachment->entry && !attach_folder_copy(&work->folder, attachment->library, AGENT_LIBRARY)))
        return false;
    int file = attach_folder_create(&work->folder, SCRIPT);
    bool done = file >= 0 && dprintf(file, script, work->folder.path, attachment->function, attachment->options,
                                     (unsigned long long)attachment->entry) > 0;
    if (file >= 0)
        close(file);
    return done;
}

/* --- the stops --- */

static void ask(struct visit *visit, void *context) {
    struct work *work = context;
    char path[96];
    (void)visit;
    snprintf(path, sizeof path, "%s/" SCRIPT, work->folder.path);
    work->asked = !pending_obstacle(&work->attachment->pending) && remote_debugger_ask(&work->debugger, path);
}

static void withdraw(struct visit *visit, void *context) {
    struct work *work = context;
    (void)visit;
    work->withdrawn = remote_debugger_withdraw(&work->debugger);
}

static struct error *visit(struct work *work, visit_action action) {
    struct injector none = {0};
    return visit_process(work->attachment->pid, &none, stop_clock() + 10, action, work,
                         &work->attachment->report->paused_ms);
}

/* --- the result --- */

static bool read_result(const struct work *work, struct attach_result *out) {
    char text[260];
    int file = openat(work->folder.folder, RESULT, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    ssize_t length = file >= 0 ? read(file, text, sizeof text - 1) : -1;
    if (file >= 0)
        close(file);
    if (length <= 0)
        return false;
    text[length] = '\0';
    out->called = sscanf(text, "called %d", &out->value) == 1;
    if (!out->called)
        snprintf(out->message, sizeof out->message, "loading the library in it: %s",
                 strncmp(text, "failed ", 7) == 0 ? text + 7 : "no reason was given");
    return true;
}

static bool wait_for_result(struct work *work, double seconds, struct attach_result *out) {
    double begin = stop_clock();
    for (int tries = 0; stop_clock() < begin + seconds; tries++) {
        if (read_result(work, out)) {
            work->attachment->report->waited_ms = (stop_clock() - begin) * 1e3;
            return true;
        }
        nanosleep(&(struct timespec){.tv_nsec = tries < 20 ? 1000000 : 5000000}, NULL);
    }
    return false;
}

static struct error *run(struct work *work, struct attach_result *out) {
    TRY(visit(work, ask));
    if (!work->asked) {
        snprintf(out->message, sizeof out->message, "its main thread cannot be asked to run a script now");
        return NULL;
    }
    if (wait_for_result(work, 1, out))
        return NULL;
    TRY(visit(work, withdraw));
    if (work->withdrawn && !read_result(work, out))
        snprintf(out->message, sizeof out->message, "its main thread ran no Python code for a second");
    else if (!work->withdrawn && !wait_for_result(work, 20, out))
        return error_create(STATUS_BUSY, "process %d began to load the sampler and has not come back yet; look again later",
                            work->attachment->pid);
    return NULL;
}

struct error *attach_by_script(struct attachment *attachment, struct attach_result *out) {
    struct work work = {.attachment = attachment, .folder = {.parent = -1, .folder = -1}};
    const char *refusal = remote_debugger_find(&attachment->pending, &work.debugger);
    *out = (struct attach_result){0};
    if (refusal) {
        snprintf(out->message, sizeof out->message, "its Python %s", refusal);
        return NULL;
    }
    if (strpbrk(attachment->options, "'\\\n")) {
        snprintf(out->message, sizeof out->message, "the options have letters that a script cannot have");
        return NULL;
    }
    struct error *error = NULL;
    if (fill_folder(&work))
        error = run(&work, out);
    else
        snprintf(out->message, sizeof out->message, "no folder of it can be written: %s", strerror(errno));
    attach_folder_remove(&work.folder);
    return error;
}
