"""What kind of process it is: namespaces, filters, limits, a main thread that has gone, several interpreters."""
import json
import os
import shutil
import subprocess

import pytest

import deploy
import pythons
import seccomp

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def test_other_namespaces(caulk, target, python, tmp_path):
    namespaces = ["unshare", "-Urpf", "--mount-proc"]
    if not shutil.which("unshare") or subprocess.run([*namespaces, "true"], capture_output=True).returncode:
        pytest.skip("namespaces are not allowed here")
    outer = target([*namespaces, python, "-c", deploy.program()])
    deploy.check_visit(caulk, outer, tmp_path, deploy.child_of(outer.pid))


@needs_root
def test_another_root_directory(caulk, target, python, tmp_path):
    """A process whose path to Python leads to nothing where caulk runs."""
    prefix = subprocess.run([python, "-c", "import sys; print(sys.base_prefix)"], capture_output=True, text=True).stdout.strip()
    executable = os.path.realpath(python)
    if not executable.startswith(prefix + "/") or prefix == "/usr":
        pytest.skip("this Python does not lie in a folder of its own")
    with open(executable, "rb") as stream:
        if stream.read(4) != b"\x7fELF":
            pytest.skip("this Python is started by a script that has paths in it")
    commands = ("mount -t tmpfs none %(root)s && mkdir %(root)s/snake %(root)s/lib64 %(root)s/lib %(root)s/usr && "
                "mount --bind %(prefix)s %(root)s/snake && mount --bind /lib64 %(root)s/lib64 && "
                "mount --bind /lib %(root)s/lib && mount --bind /usr %(root)s/usr && "
                "LD_LIBRARY_PATH=/snake/lib PYTHONHOME=/snake exec chroot %(root)s /snake/%(executable)s -c \"$PROGRAM\"")
    root = tmp_path / "root"
    root.mkdir()
    process = target(["unshare", "-m", "sh", "-c", commands % {"root": root, "prefix": prefix,
                                                           "executable": os.path.relpath(executable, prefix)}],
                     env={"PROGRAM": deploy.program()})
    assert os.readlink("/proc/%d/root" % process.pid) == str(root)
    deploy.check_visit(caulk, process, tmp_path)


# Whole file systems of other Debians, of which tools/fetch-pythons made Pythons: an older and
# a newer C library than the one that caulk runs with.
ROOTS = [("3.9@bullseye", "usr/bin/python3.9"), ("3.15@forky", "usr/bin/python3.15")]


@needs_root
@pytest.mark.parametrize("release, executable", ROOTS, ids=[release for release, _ in ROOTS])
def test_a_root_directory_with_another_c_library(caulk, target, tmp_path, release, executable):
    root = os.path.realpath(os.path.join(pythons.CACHE, "pythons", release, "root"))
    libraries = [folder for folder in ("lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu")
                 if os.path.isdir(os.path.join(root, folder))]
    if not libraries or not os.path.exists(os.path.join(root, executable)):
        pytest.skip("NOT TESTED: %s is not in .cache (tools/fetch-pythons %s)" % (release, release))
    process = target(["chroot", root, "/%s/ld-linux-x86-64.so.2" % libraries[0], "--library-path",
                      ":".join("/" + folder for folder in libraries), "/" + executable, "-c", deploy.program()],
                     env={"PYTHONHOME": "/usr"})
    assert os.readlink("/proc/%d/root" % process.pid) == root
    deploy.check_visit(caulk, process, tmp_path)


# --- seccomp ---

@pytest.mark.parametrize("action", [seccomp.KILL, seccomp.FAIL], ids=["kills", "refuses"])
def test_a_filter_that_forbids_the_fork(caulk, target, newest_python, tmp_path, action):
    extra = seccomp.deny([seccomp.CLONE, seccomp.FORK, seccomp.VFORK, seccomp.CLONE3], action)
    process = target([newest_python, "-c", deploy.program(extra)])
    deploy.check_visit(caulk, process, tmp_path, notes=1)
    assert "seccomp" in deploy.call(caulk, "top", process.pid, notes=1).stderr


def may_read_filters():
    """CAP_SYS_ADMIN, and no filter of our own."""
    with open("/proc/self/status") as stream:
        fields = dict(line.split(":", 1) for line in stream)
    return int(fields["CapEff"], 16) >> 21 & 1 and int(fields["Seccomp"]) == 0


@pytest.mark.skipif(not may_read_filters(), reason="filters are shown to root without a filter only")
def test_a_filter_that_lets_it_fork(caulk, target, newest_python, tmp_path):
    """As in any container of Docker, whose filter refuses mount and the like: its program is read and run here."""
    process = target([newest_python, "-c", deploy.program(seccomp.deny([165, 166, 246], seccomp.FAIL))])
    deploy.check_visit(caulk, process, tmp_path)


def test_a_filter_that_allows_what_the_program_needs_only(caulk, target, newest_python, tmp_path):
    """A list of what is allowed, as of a sandbox; everything else ends the process, rt_sigreturn included."""
    # read write mmap mprotect munmap brk mremap madvise futex exit
    extra = seccomp.allow_only([0, 1, 9, 10, 11, 12, 25, 28, 202, 219, 231])
    process = target([newest_python, "-c", deploy.program(extra)])
    deploy.check_visit(caulk, process, tmp_path, notes=1)


# --- limits ---

def test_an_address_space_that_is_used_up(caulk, target, newest_python, tmp_path):
    """The kernel does not ask this limit at a fork: a picture is taken as of any other process."""
    extra = """
import resource
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (1 << 20), used + (1 << 20)))
try:
    bytearray(16 << 20)
    raise SystemExit("the limit holds nothing back")
except MemoryError:
    pass
"""
    process = target([newest_python, "-c", deploy.program(extra)])
    deploy.check_visit(caulk, process, tmp_path)
    assert "RLIMIT_AS" in deploy.call(caulk, "doctor", process.pid).stdout


@needs_root
def test_a_user_with_no_process_left(caulk, target, newest_python, tmp_path):
    """The fork fails: the process is copied while it stands still, and caulk says so."""
    user = 47811 # nobody else is this one
    extra = "import os, resource\nresource.setrlimit(resource.RLIMIT_NPROC, (1, 1))\nos.setgid(%d); os.setuid(%d)" % (user, user)
    extra += "\ntry:\n    os.fork()\n    raise SystemExit('the limit holds nothing back')\nexcept BlockingIOError:\n    pass"
    process = target([newest_python, "-c", deploy.program(extra)])
    deploy.check_visit(caulk, process, tmp_path, notes=1)
    assert "could not fork" in deploy.call(caulk, "top", process.pid, notes=1).stderr
    assert "RLIMIT_NPROC" in deploy.call(caulk, "doctor", process.pid).stdout


@needs_root
def test_a_user_looks_at_a_deleted_executable_of_his_own(caulk, target, tmp_path):
    """The kernel shows map_files to the superuser only."""
    system = "/usr/bin/python3"
    if not os.path.exists(system):
        pytest.skip("no system Python")
    if not os.path.exists("/proc/sys/kernel/yama/ptrace_scope"):
        scope = "0"
    else:
        with open("/proc/sys/kernel/yama/ptrace_scope") as stream:
            scope = stream.read().strip()
    if scope != "0":
        pytest.skip("kernel.yama.ptrace_scope is %s" % scope)
    folder = "/tmp/caulk-deploy-%d" % os.getpid()
    os.mkdir(folder, 0o755)
    try:
        copy, program = os.path.join(folder, "caulk"), os.path.join(folder, "snake")
        shutil.copy(caulk, copy)
        shutil.copy(os.path.realpath(system), program)
        as_user = ["setpriv", "--reuid=47812", "--regid=47812", "--clear-groups", "--inh-caps=-all"]
        process = target([*as_user, program, "-c", deploy.program()], env={"PYTHONHOME": "/usr"})
        os.unlink(program)
        result = subprocess.run([*as_user, copy, "top", str(process.pid)], capture_output=True, text=True, timeout=60)
        assert result.returncode == 0 and "Session" in result.stdout, result
        examined = subprocess.run([*as_user, copy, "doctor", str(process.pid)], capture_output=True, text=True, timeout=60)
        assert examined.returncode == 0 and "same user" in examined.stdout, examined
    finally:
        shutil.rmtree(folder)
    deploy.check_goes_on(process)


# --- threads ---

MAIN_THREAD_ENDS = """
import ctypes, os, threading
STORE_READY = threading.Event()
def serve():
    import time
    while open("/proc/self/task/%d/stat" % os.getpid()).read().rpartition(")")[2].split()[0] != "Z":
        time.sleep(0.01)
    print("ready", flush=True)
    for line in sys.stdin:
        print("pong", flush=True)
threading.Thread(target=serve).start()
ctypes.CDLL(None).syscall(60, 0)
"""


def test_a_main_thread_that_has_ended(caulk, target, python, tmp_path):
    """The kernel shows nothing of such a process by its number; a thread that lives still has its memory."""
    process = target([python, "-c", deploy.program(MAIN_THREAD_ENDS)])
    with open("/proc/%d/stat" % process.pid) as stream:
        assert stream.read().rpartition(")")[2].split()[0] == "Z"
    deploy.check_visit(caulk, process, tmp_path)
    assert "main thread has ended" in deploy.call(caulk, "doctor", process.pid).stdout


def test_a_leak_where_the_main_thread_has_ended(caulk, target, newest_python):
    grow = MAIN_THREAD_ENDS.replace("    for line in sys.stdin:\n        print(\"pong\", flush=True)\n",
                                    "    while True:\n        ORDERS.append([Session(0)] * 500)\n        time.sleep(0.002)\n")
    process = target([newest_python, "-c", deploy.program("ORDERS = []" + grow)])
    answer = deploy.call(caulk, "leaks", process.pid, "--seconds", "6", "--json", "-", status=1).stdout
    verdict = json.loads(answer)
    assert [finding["holder"]["path"] for finding in verdict["findings"]] == ["__main__.ORDERS"]
    assert verdict["rss"]["total"] > 0 and "-c" in verdict["target"]["argv"]
    assert deploy.children_of(process.pid) == [] and process.errors() == ""


# --- interpreters ---

def has(python, module):
    return subprocess.run([python, "-c", "import " + module], capture_output=True).returncode == 0


INTERPRETERS = """
import MODULE as module
OTHERS = [module.create() for _ in range(3)]
for number, other in enumerate(OTHERS):
    module.RUN(other, "class Visitor: pass\\nGUESTS = [Visitor() for _ in range(" + str(100 * number + 100) + ")]")
"""


@pytest.mark.parametrize("module, run", [("_xxsubinterpreters", "module.run_string(other, "), ("_interpreters", "module.exec(other, "),
                                         ("concurrent.interpreters", "other.exec(")])
def test_several_interpreters(caulk, target, python, tmp_path, module, run):
    """From 3.12 on each has a lock and a heap of its own."""
    if not has(python, module):
        pytest.skip("this version has no " + module)
    extra = INTERPRETERS.replace("MODULE", module).replace("module.RUN(other, ", run)
    process = target([python, "-c", deploy.program(extra)])
    path = tmp_path / "interpreters.caulk"
    deploy.call(caulk, "snapshot", process.pid, "-o", path)
    assert deploy.count_of(caulk, path, "Session") == deploy.KEPT
    assert deploy.count_of(caulk, path, "Visitor") == 600
    paths = [found["path"] for found in json.loads(
        deploy.call(caulk, "why", path, "__main__.Visitor", "--limit", "1000", "--json", "-").stdout)["paths"]]
    for number in (1, 2, 3):
        assert len([one for one in paths if one.startswith("<interpreter %d> __main__.GUESTS[" % number)]) == 100 * number
    found = deploy.call(caulk, "doctor", process.pid).stdout
    assert "interpreters    4" in found
    deploy.check_goes_on(process)


LEAK_IN_AN_INTERPRETER = """
import threading, MODULE as module
other = module.create()
text = "import time\\nclass Visitor: pass\\nGUESTS = []\\nwhile True:\\n    GUESTS.extend(Visitor() for _ in range(40))\\n    time.sleep(0.005)"
threading.Thread(target=lambda: module.RUN(other, text), daemon=True).start()
"""


def test_a_leak_in_an_interpreter_that_is_not_the_main_one(caulk, target, newest_python):
    module, run = ("_interpreters", "exec") if has(newest_python, "_interpreters") else ("_xxsubinterpreters", "run_string")
    extra = LEAK_IN_AN_INTERPRETER.replace("MODULE", module).replace("RUN", run)
    process = target([newest_python, "-c", deploy.program(extra)])
    verdict = json.loads(deploy.call(caulk, "leaks", process.pid, "--seconds", "8", "--json", "-", status=1).stdout)
    assert [finding["holder"]["path"] for finding in verdict["findings"]] == ["<interpreter 1> __main__.GUESTS"]
    assert verdict["findings"][0]["kind"] == "growing-container"
