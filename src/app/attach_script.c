/* Calls a function of the sampler by a script that CPython 3.14 and later runs for us (PEP 768).
 *
 * The script and the library lie in a folder of the target's own file system, open to its user alone; the script
 * copies the library into a file in memory, so that the folder may be on a file system without execution, and
 * leaves its result beside itself. It imports nothing but _ctypes and os, and binds no name outside. */
#include "app/attach_work.h"
#include "app/agent_library.h"
#include "cpython/remote_debugger.h"
#include "memory/maps.h"
#include "memory/visit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define SCRIPT "attach.py"
#define RESULT "result"

struct work {
    struct attachment *attachment;
    struct remote_debugger debugger;
    char path[64];  /* of the folder, as the target sees it */
    char name[32];  /* in its parent */
    int parent, folder;
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
    "        file = os.memfd_create('" AGENT_LIBRARY "', os.MFD_CLOEXEC)\n"
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

/* --- the folder --- */

static int open_parent(int pid, const char *path) {
    char root[64];
    snprintf(root, sizeof root, "/proc/%d/root", proc_live_thread(pid));
    int folder = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    char words[32];
    snprintf(words, sizeof words, "%s", path);
    /* a link would lead out of the target's root */
    for (char *save = NULL, *word = strtok_r(words, "/", &save); word && folder >= 0; word = strtok_r(NULL, "/", &save)) {
        int next = openat(folder, word, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        close(folder);
        folder = next;
    }
    return folder;
}

static void owner(int pid, uid_t *user_out, gid_t *group_out) {
    char path[64], status[8192];
    const char *at;
    snprintf(path, sizeof path, "/proc/%d/status", proc_live_thread(pid));
    if (proc_read(path, sizeof status, status) <= 0)
        status[0] = '\0';
    unsigned user = geteuid(), group = getegid();
    if ((at = strstr(status, "\nUid:")))
        sscanf(at + 5, "%*u %*u %*u %u", &user);
    if ((at = strstr(status, "\nGid:")))
        sscanf(at + 5, "%*u %*u %*u %u", &group);
    *user_out = user;
    *group_out = group;
}

static bool make_folder_in(struct work *work, const char *parent) {
    uint64_t number = 0;
    uid_t user;
    gid_t group;
    if (getrandom(&number, sizeof number, 0) != sizeof number)
        return false;
    work->parent = open_parent(work->attachment->pid, parent);
    snprintf(work->name, sizeof work->name, "caulk-%016llx", (unsigned long long)number);
    snprintf(work->path, sizeof work->path, "/%s/%s", parent, work->name);
    if (work->parent < 0 || mkdirat(work->parent, work->name, 0700) != 0)
        return false;
    work->folder = openat(work->parent, work->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    owner(work->attachment->pid, &user, &group);
    return work->folder >= 0 && ((user == geteuid() && group == getegid()) || fchown(work->folder, user, group) == 0);
}

static void remove_folder(struct work *work) {
    static const char *const names[] = {SCRIPT, RESULT, RESULT ".new", AGENT_LIBRARY};
    for (size_t i = 0; work->folder >= 0 && i < sizeof names / sizeof *names; i++)
        unlinkat(work->folder, names[i], 0);
    if (work->folder >= 0)
        close(work->folder);
    if (work->parent >= 0) {
        if (work->name[0])
            unlinkat(work->parent, work->name, AT_REMOVEDIR);
        close(work->parent);
    }
    work->parent = work->folder = -1;
}

static int create(const struct work *work, const char *name) {
    return openat(work->folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
}

static bool copy_library(const struct work *work) {
    int from = open(work->attachment->library, O_RDONLY | O_CLOEXEC), to = create(work, AGENT_LIBRARY);
    ssize_t sent = -1;
    while (from >= 0 && to >= 0 && (sent = sendfile(to, from, NULL, 1 << 20)) > 0)
        ;
    bool done = sent == 0 && fchmod(to, 0644) == 0;
    if (from >= 0)
        close(from);
    if (to >= 0)
        close(to);
    return done;
}

static bool write_script(const struct work *work) {
    const struct attachment *attachment = work->attachment;
    int file = create(work, SCRIPT);
    bool done = file >= 0 &&
                dprintf(file, script, work->path, attachment->function, attachment->options,
                        (unsigned long long)attachment->entry) > 0 &&
                fchmod(file, 0644) == 0;
    if (file >= 0)
        close(file);
    return done;
}

static bool fill_folder(struct work *work) {
    static const char *const parents[] = {"tmp", "var/tmp", "dev/shm", "run"};
    for (size_t i = 0; i < sizeof parents / sizeof *parents; i++) {
        if (make_folder_in(work, parents[i]) && (work->attachment->entry || copy_library(work)) && write_script(work))
            return true;
        remove_folder(work);
    }
    return false;
}

/* --- the stops --- */

static void ask(struct visit *visit, void *context) {
    struct work *work = context;
    char path[96];
    (void)visit;
    snprintf(path, sizeof path, "%s/" SCRIPT, work->path);
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
    int file = openat(work->folder, RESULT, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
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
    struct work work = {.attachment = attachment, .parent = -1, .folder = -1};
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
    if (!fill_folder(&work)) {
        snprintf(out->message, sizeof out->message, "no folder of it can be written: %s", strerror(errno));
        return NULL;
    }
    struct error *error = run(&work, out);
    remove_folder(&work);
    return error;
}
