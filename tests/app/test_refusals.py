"""What caulk refuses: always one line on stderr, the documented exit status, nothing left, nobody harmed."""
import ctypes
import glob
import os
import shutil
import signal
import subprocess
import time

import pytest


USAGE, BAD_FILE, NO_TARGET, NOT_PYTHON, UNSUPPORTED, BUSY, OUTPUT, PERMISSION = 64, 65, 66, 67, 68, 69, 73, 77

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

SERVICE = """
import time
kept = []
print("ready", flush=True)
while True:
    kept.append([object() for _ in range(100)])
    time.sleep(0.002)
"""


@pytest.fixture
def service(target, newest_python):
    return target([newest_python, "-c", SERVICE])


def call(caulk, *words, timeout=60, **more):
    return subprocess.run([caulk, *map(str, words)], capture_output=True, text=True, timeout=timeout,
                          errors="surrogateescape", **more)


def check_refused(result, status, *parts):
    assert result.returncode == status, result
    assert result.stderr.startswith("caulk: ") and result.stderr.count("\n") == 1, result.stderr
    assert result.stderr.endswith("\n")
    for part in parts:
        assert part in result.stderr


def steps_of(process):
    """The kernel's count of what the process has run: it must keep growing."""
    with open("/proc/%d/stat" % process.pid) as stream:
        fields = stream.read().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12]), fields[0]


def check_unharmed(process):
    assert process.alive()
    with open("/proc/%d/status" % process.pid) as stream:
        assert "TracerPid:\t0" in stream.read()
    before, _ = steps_of(process)
    deadline = time.monotonic() + 10
    while steps_of(process)[0] == before:
        assert time.monotonic() < deadline, "the target does not run any more"
        time.sleep(0.02)
    assert process.errors() == ""


# --- the command line ---

@pytest.mark.parametrize("words, part", [
    ([], "no command"),
    (["frobnicate"], "unknown command frobnicate"),
    (["--frobnicate"], "unknown option --frobnicate"),
    (["leaks"], "too few words"),
    (["leaks", "--frobnicate", "1"], "unknown option --frobnicate"),
    (["leaks", "-x", "1"], "unknown option -x"),
    (["leaks", "1", "--seconds"], "--seconds needs"),
    (["leaks", "1", "--seconds", "soon"], "--seconds takes"),
    (["leaks", "1", "--seconds", "nan"], "--seconds takes"),
    (["leaks", "1", "--seconds", "-1"], "--seconds takes"),
    (["leaks", "1", "--snapshots=1"], "--snapshots takes"),
    (["leaks", "1", "--snapshots", "2.5"], "--snapshots takes a whole number"),
    (["leaks", "1", "--pause=yes"], "--pause takes no value"),
    (["leaks", "99999999999999999999"], "is not the number of a process"),
    (["leaks", "0"], "is not the number of a process"),
    (["leaks", "1", "a.caulk"], "a process must come after"),
    (["snapshot", "a.caulk"], "is not the number of a process"),
    (["snapshot", "1", "-o", ""], "--output takes"),
    (["top", "1", "2"], "too many words"),
    (["top", "--by", "beauty", "1"], "--by takes"),
    (["top", "--limit", "0", "1"], "--limit takes"),
    (["why", "1"], "too few words"),
])
def test_a_wrong_command_line(caulk, words, part):
    check_refused(call(caulk, *words), USAGE, part)


# --- the process ---

def test_no_such_process(caulk):
    with open("/proc/sys/kernel/pid_max") as stream:
        check_refused(call(caulk, "leaks", int(stream.read()) + 7), NO_TARGET, "no process")


def test_a_program_that_is_not_python(caulk, target):
    other = target(["/bin/sh", "-c", "echo ready; while :; do sleep 0.01; done"])
    check_refused(call(caulk, "leaks", other.pid), NOT_PYTHON, "is not Python")
    assert other.alive() and other.errors() == ""


def check_old_python(caulk, target, pattern, statuses, greeting):
    found = glob.glob(os.path.expanduser("~/.pyenv/versions/" + pattern))
    if not found:
        pytest.skip("no %s on this machine" % pattern)
    process = target([found[0], "-u", "-c", greeting + "\nimport time\nwhile True: time.sleep(0.001)"])
    result = call(caulk, "leaks", process.pid)
    assert result.returncode in statuses
    check_refused(result, result.returncode)
    check_unharmed(process)


@pytest.mark.parametrize("minor", ["3.7", "3.8"])
def test_a_python_that_is_not_known(caulk, target, minor):
    check_old_python(caulk, target, minor + ".*/bin/python3", {UNSUPPORTED}, "print('ready')")


@pytest.mark.parametrize("pattern", ["2.*/bin/python2", "3.6.*/bin/python3"])
def test_a_python_before_the_runtime_structure(caulk, target, pattern):
    check_old_python(caulk, target, pattern, {NOT_PYTHON, UNSUPPORTED}, "print('ready')")


def test_a_zombie(caulk):
    child = subprocess.Popen(["/bin/true"])
    try:
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        check_refused(call(caulk, "leaks", child.pid), NO_TARGET, str(child.pid))
    finally:
        child.wait()


def test_itself(caulk):
    # The shell becomes caulk, under the number that the shell had.
    result = subprocess.run(["/bin/sh", "-c", 'exec "$0" leaks $$', caulk], capture_output=True, text=True, timeout=60)
    check_refused(result, USAGE, "caulk itself")


def test_a_thread_of_the_kernel(caulk):
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open("/proc/%s/status" % name) as stream:
                    text = stream.read()
            except OSError:
                continue
            if "VmSize" not in text and "State:\tZ" not in text and "kthreadd" in text:
                check_refused(call(caulk, "leaks", name), NOT_PYTHON, "kernel")
                return
    pytest.skip("no thread of the kernel is visible here")


@needs_root
@pytest.mark.skipif(not shutil.which("setpriv"), reason="no setpriv here")
def test_a_process_of_another_user(caulk, service, tmp_path):
    copy = "/tmp/caulk-test-%d" % os.getpid() # nobody may not enter the home of root
    shutil.copy(caulk, copy)
    os.chmod(copy, 0o755)
    try:
        result = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", copy, "leaks", str(service.pid)],
                                capture_output=True, text=True, timeout=60)
    finally:
        os.unlink(copy)
    check_refused(result, PERMISSION, "sudo")
    check_unharmed(service)


def test_a_process_that_is_traced_already(caulk, service):
    PTRACE_SEIZE, PTRACE_DETACH, PTRACE_INTERRUPT = 0x4206, 17, 0x4207
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    if libc.ptrace(PTRACE_SEIZE, service.pid, None, None) != 0:
        pytest.skip("tracing is not allowed here")
    try:
        check_refused(call(caulk, "leaks", service.pid), BUSY, "traced already", str(os.getpid()))
    finally:
        libc.ptrace(PTRACE_INTERRUPT, service.pid, None, None)
        os.waitpid(service.pid, 0x40000000)
        libc.ptrace(PTRACE_DETACH, service.pid, None, None)
    check_unharmed(service)


def test_a_process_that_ends_at_once(caulk, target, newest_python):
    process = target([newest_python, "-c", "import time\nprint('ready', flush=True)\ntime.sleep(1.5)"])
    result = call(caulk, "leaks", process.pid, "--seconds", "30", "--snapshots", "5")
    check_refused(result, NO_TARGET, "a verdict needs 3 snapshots")


def test_a_process_that_ends_later_has_the_verdict_so_far(caulk, target, newest_python):
    process = target([newest_python, "-c", SERVICE.replace("while True", "end = time.monotonic() + 4\nwhile time.monotonic() < end")])
    result = call(caulk, "leaks", process.pid, "--seconds", "40", "--snapshots", "60")
    assert result.returncode in (0, 1, 2), result
    assert result.stderr == ""


# --- the snapshot file ---

@pytest.fixture
def snapshot(caulk, service, tmp_path):
    path = tmp_path / "good.caulk"
    result = call(caulk, "snapshot", service.pid, "-o", path)
    assert result.returncode == 0, result
    return path


COMMANDS = [["leaks"], ["top"], ["tree"]]


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("content", [b"", b"\x89CAULK", b"%PDF-1.4 foreign\n" * 40, b"\0" * 5000])
def test_a_file_that_is_none_of_ours(caulk, tmp_path, command, content):
    path = tmp_path / "foreign.caulk"
    path.write_bytes(content)
    check_refused(call(caulk, *command, path), BAD_FILE, str(path))


def test_files_that_cannot_be_read(caulk, tmp_path):
    result = call(caulk, "top", tmp_path / "absent.caulk")
    assert result.returncode in (BAD_FILE, NO_TARGET)
    check_refused(result, result.returncode, "absent.caulk")
    result = call(caulk, "top", tmp_path)
    check_refused(result, result.returncode)
    assert result.returncode >= 64


def test_a_truncated_file(caulk, snapshot, tmp_path):
    whole = snapshot.read_bytes()
    path = tmp_path / "cut.caulk"
    for length in sorted({1, 7, 8, 20, len(whole) // 3, len(whole) // 2, len(whole) - 30, len(whole) - 1}):
        path.write_bytes(whole[:length])
        check_refused(call(caulk, "top", path), BAD_FILE)


def test_an_altered_file(caulk, snapshot, tmp_path):
    """Any single byte: refused, or the same answer where the byte carries nothing; never a crash."""
    whole = bytearray(snapshot.read_bytes())
    path = tmp_path / "altered.caulk"
    for at in range(0, len(whole), max(1, len(whole) // 60)):
        altered = bytearray(whole)
        altered[at] ^= 0x41
        path.write_bytes(altered)
        result = call(caulk, "top", path)
        assert result.returncode in (0, BAD_FILE), (at, result)
        if result.returncode:
            check_refused(result, BAD_FILE)


def test_a_newer_file(caulk, snapshot, tmp_path):
    """The version is checked before anything that a later version may change."""
    whole = bytearray(snapshot.read_bytes())
    whole[8:12] = (99).to_bytes(4, "little")
    path = tmp_path / "newer.caulk"
    path.write_bytes(whole)
    check_refused(call(caulk, "top", path), BAD_FILE)


def test_something_that_is_not_in_the_heap(caulk, snapshot):
    for what in ("no.such.Type", "0x10", "__main__.nothing", "0xnonsense", "..", ""):
        check_refused(call(caulk, "why", snapshot, what), USAGE)


# --- the output ---

@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
def test_a_full_disk(caulk, snapshot, service):
    with open("/dev/full", "w") as full:
        for words in (["top", snapshot], ["--help"], ["leaks", snapshot], ["why", snapshot, "list"],
                      ["top", snapshot, "--json", "-"]):
            result = subprocess.run([caulk, *map(str, words)], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
            check_refused(result, OUTPUT, "No space left")
    check_refused(call(caulk, "top", snapshot, "--json", "/dev/full"), OUTPUT, "/dev/full")


@needs_root
def test_a_disk_that_fills_up_keeps_nothing_half_written(caulk, service, tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", small], capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        check_refused(call(caulk, "snapshot", service.pid, "-o", small / "full.caulk"), OUTPUT)
        assert os.listdir(small) == []
        (small / "verdict.json").write_text("of yesterday")
        (small / "filler").write_bytes(b"x" * 60000)
        check_refused(call(caulk, "tree", service.pid, "--depth", "20", "--limit", "100", "--json", small / "verdict.json"),
                      OUTPUT)
        assert sorted(os.listdir(small)) == ["filler", "verdict.json"]
        assert (small / "verdict.json").read_text() == "of yesterday"
    finally:
        subprocess.run(["umount", small])
    check_unharmed(service)


def test_a_place_that_does_not_exist(caulk, snapshot, service, tmp_path):
    check_refused(call(caulk, "top", snapshot, "--json", tmp_path / "none" / "x.json"), OUTPUT, "none/x.json")
    check_refused(call(caulk, "snapshot", service.pid, "-o", tmp_path / "none" / "x.caulk"), OUTPUT)
    check_unharmed(service)


def test_a_reader_that_goes_away(caulk, snapshot):
    process = subprocess.Popen([caulk, "tree", snapshot, "--depth", "60", "--limit", "10000"], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)
    process.stdout.close()
    message = process.stderr.read()
    process.stderr.close()
    assert process.wait(60) == OUTPUT
    assert message.count("\n") == 1 and "Broken pipe" in message


# --- interruptions ---

@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_gives_the_verdict_so_far(caulk, service, ending):
    process = subprocess.Popen([caulk, "leaks", str(service.pid), "--seconds", "600", "--snapshots", "1000"],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    time.sleep(2)
    asked = time.monotonic()
    process.send_signal(ending)
    out, errors = process.communicate(timeout=60)
    assert time.monotonic() - asked < 15
    assert process.returncode in (0, 1, 2), errors
    assert errors == "" and out.startswith("caulk · pid %d" % service.pid)
    check_unharmed(service)


def children_of(process):
    with open("/proc/%d/task/%d/children" % (process.pid, process.pid)) as stream:
        return stream.read().split()


def test_killed_in_the_middle_the_target_lives(caulk, service):
    """The kernel ends the picture with its tracer; what is left of its entry is collected by the next snapshot."""
    for pause in (0.01, 0.02, 0.06, 0.15):
        process = subprocess.Popen([caulk, "snapshot", str(service.pid), "--json", "-"], stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        time.sleep(pause)
        process.kill()
        process.wait()
        time.sleep(0.3)
        check_unharmed(service)
        assert os.listdir("/proc/%d/task" % service.pid) == [str(service.pid)]
        for child in children_of(service):
            with open("/proc/%s/stat" % child) as stream:
                assert stream.read().rpartition(")")[2].split()[0] == "Z"
    assert call(caulk, "snapshot", service.pid, "--json", "-").returncode == 0
    assert children_of(service) == []
    check_unharmed(service)


def test_ended_in_the_middle_nothing_is_left(caulk, service):
    for pause in (0.01, 0.02, 0.04, 0.06, 0.1, 0.15):
        process = subprocess.Popen([caulk, "snapshot", str(service.pid), "--json", "-"], stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        time.sleep(pause)
        process.terminate()
        assert process.wait(60) in (0, -signal.SIGTERM)
        assert children_of(service) == []
    check_unharmed(service)
