"""caulk doctor: each condition that it names is made on purpose, and its exit status is the one of caulk leaks."""
import ctypes
import json
import os
import shutil
import signal
import subprocess
import time

import pytest

WORKS, USAGE, NO_TARGET, NOT_PYTHON, BUSY, PERMISSION = 0, 64, 66, 67, 69, 77
VERDICTS = {"ok", "limited", "no", "unknown"}

PROGRAM = """
import ctypes, gc, resource, sys, time
kept = [{"number": number} for number in range(2000)]
%s
print("ready", flush=True)
while True:
    time.sleep(0.01)
"""


@pytest.fixture
def program(target, newest_python):
    return lambda extra="": target([newest_python, "-c", PROGRAM % extra])


def call(caulk, *words, **more):
    return subprocess.run([caulk, *map(str, words)], capture_output=True, text=True, timeout=60, **more)


def examine(caulk, pid, status=WORKS, **more):
    """{name of a check: the check}"""
    result = call(caulk, "doctor", pid, "--json", "-", **more)
    assert result.returncode == status and result.stderr == "", result
    answer = json.loads(result.stdout)
    assert answer["schema"] == "caulk.doctor/1" and answer["pid"] == int(pid)
    assert answer["status"] == status and answer["works"] is (status == WORKS)
    checks = {check["name"]: check for check in answer["checks"]}
    assert len(checks) == len(answer["checks"])
    assert {check["verdict"] for check in answer["checks"]} <= VERDICTS and all(check["reason"] for check in answer["checks"])
    assert any(check["verdict"] == "no" for check in answer["checks"]) is (status != WORKS)
    return checks


def check_refused(caulk, pid, status, name, part, **more):
    """The check `name` says no with these words, and leaks ends with the same status."""
    checks = examine(caulk, pid, status, **more)
    assert [each for each in checks if checks[each]["verdict"] == "no"] == [name]
    assert part in checks[name]["reason"]
    assert call(caulk, "leaks", pid, **more).returncode == status
    return checks[name]


def verdict(checks, name):
    return checks[name]["verdict"]


def test_a_usual_process(caulk, program, newest_python):
    process = program()
    checks = examine(caulk, process.pid)
    for name in ("process", "permission", "program", "tracer", "state", "namespaces", "files", "python", "interpreters",
                 "collector", "threads", "picture", "pause", "disk"):
        assert verdict(checks, name) == "ok", checks[name]
    version = subprocess.run([newest_python, "-V"], capture_output=True, text=True).stdout.split()[1]
    assert checks["python"]["reason"].startswith("CPython %s, in the " % version)
    assert checks["interpreters"]["reason"] == "1"
    assert process.alive()


def test_the_text_has_the_same_words(caulk, program):
    process = program()
    result = call(caulk, "doctor", process.pid)
    assert result.returncode == WORKS and result.stderr == ""
    assert result.stdout.startswith("caulk doctor · process %d\n" % process.pid)
    assert result.stdout.endswith("caulk leaks %d would work.\n" % process.pid)
    assert "  ok       python " in result.stdout


def test_it_stops_nothing(caulk, program):
    """Not one call that stops, signals or writes to a process."""
    process = program()
    strace = shutil.which("strace")
    if not strace:
        pytest.skip("no strace here")
    result = subprocess.run([strace, "-f", "-e", "trace=ptrace,kill,tgkill,process_vm_writev", caulk, "doctor", str(process.pid)],
                            capture_output=True, text=True, timeout=60)
    assert "ptrace(" not in result.stderr and "kill(" not in result.stderr and "writev(" not in result.stderr


@pytest.mark.parametrize("words", [["doctor"], ["doctor", "a.caulk"], ["doctor", "1", "2"], ["doctor", "0"], ["doctor", "1", "--pause"]])
def test_a_wrong_command_line(caulk, words):
    result = call(caulk, *words)
    assert result.returncode == USAGE and result.stderr.count("\n") == 1


def test_no_such_process(caulk):
    with open("/proc/sys/kernel/pid_max") as stream:
        check_refused(caulk, int(stream.read()) + 7, NO_TARGET, "process", "there is no process")


def test_a_program_that_is_not_python(caulk, target):
    other = target(["/bin/sh", "-c", "echo ready; while :; do sleep 0.01; done"])
    check_refused(caulk, other.pid, NOT_PYTHON, "python", "is not Python")


def test_a_zombie(caulk):
    child = subprocess.Popen(["/bin/true"])
    try:
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        check_refused(caulk, child.pid, NO_TARGET, "state", "zombie")
    finally:
        child.wait()


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="needs root and setpriv")
def test_a_process_of_another_user(caulk, program):
    process = program()
    copy = "/tmp/caulk-doctor-%d" % os.getpid()
    shutil.copy(caulk, copy)
    os.chmod(copy, 0o755)
    other = dict(user=65534, group=65534, extra_groups=[])
    try:
        refused = check_refused(copy, process.pid, PERMISSION, "permission", "another user", **other)
    finally:
        os.unlink(copy)
    assert refused["remedy"] == "use sudo"


def test_a_process_that_is_traced_already(caulk, program):
    process = program()
    seize, detach, interrupt = 0x4206, 17, 0x4207
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    if libc.ptrace(seize, process.pid, None, None) != 0:
        pytest.skip("tracing is not allowed here")
    try:
        check_refused(caulk, process.pid, BUSY, "tracer", str(os.getpid()))
    finally:
        libc.ptrace(interrupt, process.pid, None, None)
        os.waitpid(process.pid, 0x40000000)
        libc.ptrace(detach, process.pid, None, None)


def test_a_stopped_process(caulk, program):
    process = program()
    process.process.send_signal(signal.SIGSTOP)
    deadline = time.monotonic() + 10
    while open("/proc/%d/stat" % process.pid).read().rpartition(")")[2].split()[0] != "T":
        assert time.monotonic() < deadline
    checks = examine(caulk, process.pid)
    assert verdict(checks, "state") == "limited" and "CONT" in checks["state"]["remedy"]


@pytest.mark.parametrize("extra, part", [
    ("gc.disable()", "gc.disable"),
    ("gc.set_threshold(0)", "first threshold is 0"),
])
def test_a_collector_that_never_runs(caulk, program, extra, part):
    checks = examine(caulk, program(extra).pid)
    assert verdict(checks, "collector") == "limited" and part in checks["collector"]["reason"]


def test_the_thresholds_are_those_of_the_program(caulk, program):
    checks = examine(caulk, program("gc.set_threshold(123, 45, 6)").pid)
    assert verdict(checks, "collector") == "ok" and "123, 45" in checks["collector"]["reason"]


def test_a_process_under_seccomp(caulk, program):
    """A filter of one instruction that allows everything: caulk cannot know that it does."""
    checks = examine(caulk, program("""
libc = ctypes.CDLL(None)
class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p)]
allow = Program(1, (0x06).to_bytes(2, "little") + b"\\0\\0" + (0x7fff0000).to_bytes(4, "little"))
assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, ctypes.byref(allow)) == 0
""").pid)
    assert verdict(checks, "picture") == "limited" and "seccomp" in checks["picture"]["reason"]


def test_a_limit_of_the_address_space_is_told(caulk, program):
    checks = examine(caulk, program("resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))").pid)
    assert "of the 3.0 GiB of RLIMIT_AS" in checks["address space"]["reason"]


def memory_group(name):
    """A new memory control group: its folder and the file of its limit, or None where they cannot be made."""
    for root, limit in (("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")):
        folder = os.path.join(root, name)
        try:
            os.mkdir(folder)
        except OSError:
            continue
        if os.path.exists(os.path.join(folder, limit)):
            return folder, os.path.join(folder, limit)
        os.rmdir(folder)
    return None


def write(path, text):
    with open(path, "w") as stream:
        stream.write(text)


@pytest.fixture
def crowded(program):
    """crowded(limit): a process of some 70 MiB in a memory control group of its own, and the group's folder."""
    made = memory_group("caulk-doctor-%d" % os.getpid())
    if not made:
        pytest.skip("no memory control group can be made here")
    folder, limit = made
    started = []

    def start(mebibytes):
        enter = "open(%r, 'w').write('%%d' %% __import__('os').getpid())" % os.path.join(folder, "cgroup.procs")
        started.append(program(enter + "\nfill = bytearray(b'x') * (60 << 20)"))
        write(limit, str(mebibytes << 20))
        return started[0], folder

    yield start
    for process in started:
        process.stop()
    for _ in range(50):
        try:
            os.rmdir(folder)
            break
        except OSError:
            time.sleep(0.05)


def test_a_control_group_with_little_room(caulk, crowded):
    process, folder = crowded(100)
    checks = examine(caulk, process.pid)
    assert verdict(checks, "picture") == "ok" and verdict(checks, "memory") == "limited"
    assert "--pause" in checks["memory"]["remedy"] and folder in checks["memory"]["reason"]


def test_a_control_group_without_room_is_copied_by_pausing(caulk, crowded):
    """Pages that a process changes while its picture is copied exist twice: where that could end it, none is taken."""
    process, folder = crowded(70)
    checks = examine(caulk, process.pid)
    assert verdict(checks, "picture") == "limited" and "near its limit of memory" in checks["picture"]["reason"]
    result = call(caulk, "top", process.pid)
    assert result.returncode == WORKS and result.stderr.count("\n") == 1
    assert "as with --pause" in result.stderr and "near its limit of memory" in result.stderr
    assert process.alive()


@pytest.mark.skipif(not shutil.which("unshare"), reason="no unshare here")
def test_a_process_in_other_namespaces(caulk, target, newest_python):
    if subprocess.run(["unshare", "-Urpf", "--mount-proc", "true"], capture_output=True).returncode:
        pytest.skip("namespaces are not allowed here")
    outer = target(["unshare", "-Urpf", "--mount-proc", newest_python, "-c", PROGRAM % ""])
    with open("/proc/%d/task/%d/children" % (outer.pid, outer.pid)) as stream:
        inner = int(stream.read().split()[0])
    checks = examine(caulk, inner)
    assert verdict(checks, "namespaces") == "ok"
    for word in ("processes", "mounts", "users"):
        assert word in checks["namespaces"]["reason"]
