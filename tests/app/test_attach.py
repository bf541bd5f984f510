"""caulk attach and detach: the sampler gets into running programs of every kind, out again, and where it cannot the
reason is told and nothing is changed."""
import json
import os
import random
import shutil
import struct
import subprocess
import sys
import time

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))

import pythons  # noqa: E402
import seccomp  # noqa: E402

USAGE, NO_TARGET, NOT_PYTHON, UNSUPPORTED, BUSY = 64, 66, 67, 68, 69
SAMPLING, STOPPED = 1, 2  # src/wire/wire.h, enum wire_state
SOME = ("3.9", "3.11", "3.12", "3.14")  # each has pending calls of another kind; 3.14 has remote debugging

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

# Each program does work() over and over in `busy` threads, and `main` in the main thread. It tells of a signal, of a
# call that was interrupted, of a sleep that was too short.
FRAME = """
import os, select, signal, socket, sys, threading, time
for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD}:
    signal.signal(number, lambda number, frame: print("SIGNAL", number, file=sys.stderr, flush=True))
def work():
    return [[number] for number in range(300)]
def work_on():
    while True:
        work(); time.sleep(0.001)
for _ in range(%d):
    threading.Thread(target=work_on, daemon=True).start()
print("ready", flush=True)
"""
WORLDS = {
    "a busy loop": (0, "while True: work()"),
    "a loop that sleeps": (0, """
while True:
    begin = time.monotonic(); time.sleep(0.2)
    if time.monotonic() - begin < 0.199: print("SHORT", file=sys.stderr, flush=True)
    work()"""),
    "threads": (4, "while True: time.sleep(0.05)"),
    "a main thread that waits for a lock": (1, "lock = threading.Lock(); lock.acquire(); lock.acquire()"),
    "a main thread that waits with a limit": (1, "threading.Event().wait(1000)"),
    "a server of epoll": (1, """
poll = select.epoll(); ours, theirs = socket.socketpair(); poll.register(ours, select.EPOLLIN)
def ask():
    while True: theirs.send(b"?"); theirs.recv(1); time.sleep(0.005)
threading.Thread(target=ask, daemon=True).start()
while True:
    for descriptor, event in poll.poll(): work(); ours.send(ours.recv(1))"""),
    "subinterpreters": (1, """
try: import _interpreters as interpreters
except ImportError: import _xxsubinterpreters as interpreters
kept = [interpreters.create() for _ in range(3)]
while True:
    for one in kept: interpreters.run_string(one, "kept = [[n] for n in range(300)]")
    time.sleep(0.01)"""),
}
BLOCKED = FRAME % 0 + "time.sleep(1000)"


def call(caulk, *words, timeout=60):
    return subprocess.run([caulk, *map(str, words)], capture_output=True, text=True, timeout=timeout)


def call_json(caulk, *words):
    result = call(caulk, *words, "--json", "-")
    assert result.returncode == 0, result
    return json.loads(result.stdout)


def program(name):
    busy, main = WORLDS[name]
    return FRAME % busy + main


def mappings(pid):
    with open("/proc/%d/maps" % pid) as stream:
        return stream.read()


def recording(pid):
    """State and number of samples as the recording in the process's memory has them."""
    begin = next(int(line.split("-")[0], 16) for line in mappings(pid).splitlines() if "caulk-recording" in line)
    with open("/proc/%d/mem" % pid, "rb") as memory:
        memory.seek(begin)
        head = memory.read(256)
    assert head[:8] == b"CAULKREC"
    return struct.unpack_from("I", head, 24)[0], head


def descriptors(pid):
    found = []
    for name in os.listdir("/proc/%d/fd" % pid):
        try:
            found.append(os.readlink("/proc/%d/fd/%s" % (pid, name)))
        except OSError:
            pass
    return found


def check_clean(process):
    """Nothing of the way in is left; the program runs and has noticed nothing."""
    assert process.alive(), process.errors()
    assert not process.errors()
    assert "caulk-door" not in mappings(process.pid)
    assert not [link for link in descriptors(process.pid) if "caulk" in link]
    with open("/proc/%d/status" % process.pid) as stream:
        assert "TracerPid:\t0" in stream.read()


def check_runs(process):
    def spent():
        total = 0
        for task in os.listdir("/proc/%d/task" % process.pid):
            with open("/proc/%d/task/%s/schedstat" % (process.pid, task)) as stream:
                total += int(stream.read().split()[0])
        return total
    before, deadline = spent(), time.monotonic() + 10
    while spent() == before:
        assert time.monotonic() < deadline, "the program does not run any more"
        time.sleep(0.02)


def check_round(caulk, process):
    """In, out, in again and out, with the sampler at work in between."""
    for number in range(2):
        report = call_json(caulk, "attach", process.pid, "--interval", "4096")
        assert report["sampling"] is True and report["was_loaded"] == (number > 0)
        assert recording(process.pid)[0] == SAMPLING
        check_clean(process)
        check_runs(process)
        report = call_json(caulk, "detach", process.pid)
        assert report["sampling"] is False
        assert recording(process.pid)[0] == STOPPED
        check_clean(process)
        check_runs(process)


@pytest.fixture(params=SOME)
def some_python(request):
    return pythons.need(request.param)


def test_every_version(caulk, target, python):
    process = target([python, "-c", program("a busy loop")])
    if not pythons.is_free_threaded(python):
        check_round(caulk, process)
        return
    result = call(caulk, "attach", process.pid)
    assert result.returncode == UNSUPPORTED and "free-threaded" in result.stderr, result
    assert "libcaulk_agent" not in mappings(process.pid)
    check_clean(process)


@pytest.mark.parametrize("python", ["3.11", "3.14"], indirect=True)
@pytest.mark.parametrize("world", [name for name in WORLDS if name != "a busy loop"])
def test_worlds(caulk, target, python, world):
    check_round(caulk, target([python, "-c", program(world)]))


def test_the_way_is_told(caulk, target, some_python):
    process = target([some_python, "-c", program("a busy loop")])
    report = call_json(caulk, "attach", process.pid)
    newest = pythons.version_of(some_python).startswith("3.14.")
    assert report["way"] == ("remote-debugger" if newest else "pending-call")
    assert report["remark"] is None
    assert 0 < report["paused_ms"] and 0 <= report["waited_ms"]


@pytest.mark.parametrize("how", ["variable", "option"])
def test_disabled_remote_debugging(caulk, target, how):
    python = pythons.need("3.14")
    options = ["-X", "disable-remote-debug"] if how == "option" else []
    process = target([python, *options, "-c", program("a busy loop")],
                     env={"PYTHON_DISABLE_REMOTE_DEBUG": "1"} if how == "variable" else {})
    report = call_json(caulk, "attach", process.pid)
    assert report["way"] == "pending-call"
    assert "remote debugging disabled" in report["remark"]
    check_clean(process)
    assert recording(process.pid)[0] == SAMPLING


def test_options_reach_the_sampler(caulk, target, newest_python, tmp_path):
    file = tmp_path / "recording"
    process = target([newest_python, "-c", program("a busy loop")])
    call_json(caulk, "attach", process.pid, "--every-byte", "-o", file)
    assert "CAULKREC" == file.read_bytes()[:8].decode()
    assert str(file) in mappings(process.pid)


def test_what_the_sampler_refuses_is_told(caulk, target, some_python):
    process = target([some_python, "-c", program("a busy loop")])
    result = call(caulk, "attach", process.pid, "-o", "/nowhere/at/all")
    assert result.returncode == UNSUPPORTED, result
    assert result.stderr == "caulk: the sampler in process %d: No such file or directory\n" % process.pid
    check_clean(process)
    check_runs(process)


def test_a_main_thread_in_a_long_call(caulk, target, some_python):
    """Nobody runs Python code: nothing is loaded, then or later."""
    process = target([some_python, "-c", BLOCKED])
    begin = time.monotonic()
    result = call(caulk, "attach", process.pid, "--seconds", "1")
    assert result.returncode == BUSY, result
    assert "runs Python code" in result.stderr and time.monotonic() - begin < 15
    check_clean(process)
    assert "libcaulk_agent" not in mappings(process.pid)


def test_without_a_sampler_there_is_nothing_to_detach(caulk, target, newest_python):
    process = target([newest_python, "-c", program("a busy loop")])
    result = call(caulk, "detach", process.pid)
    assert result.returncode == NO_TARGET and "no sampler" in result.stderr
    check_clean(process)


@pytest.mark.parametrize("words, status", [(["1000000000"], NO_TARGET), (["x"], USAGE), ([], USAGE), (["0"], USAGE)])
def test_refusals(caulk, words, status):
    for command in ("attach", "detach"):
        result = call(caulk, command, *words)
        assert result.returncode == status and result.stderr.startswith("caulk: "), result


def test_what_is_not_python(caulk):
    process = subprocess.Popen(["sleep", "100"])
    try:
        time.sleep(0.1)
        assert call(caulk, "attach", process.pid).returncode == NOT_PYTHON
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()


def test_a_traced_process(caulk, target, newest_python):
    strace = shutil.which("strace")
    if not strace:
        pytest.skip("needs strace")
    process = target([newest_python, "-c", program("a loop that sleeps")])
    tracer = subprocess.Popen([strace, "-o", "/dev/null", "-p", str(process.pid)], stderr=subprocess.PIPE)
    try:
        tracer.stderr.readline()
        result = call(caulk, "attach", process.pid)
        assert result.returncode == BUSY and "strace" in result.stderr, result
    finally:
        tracer.terminate()
        tracer.wait()
        tracer.stderr.close()


# --- namespaces ---

@needs_root
def test_other_namespaces(caulk, target, some_python):
    """Its own numbers of processes and its own /tmp, which caulk does not see."""
    command = ["unshare", "-mpf", "--mount-proc", "sh", "-c", 'mount -t tmpfs -o noexec none /tmp && exec "$0" -c "$PROGRAM"']
    if subprocess.run(["unshare", "-mpf", "--mount-proc", "true"], capture_output=True).returncode:
        pytest.skip("namespaces are not allowed here")
    outer = target([*command, some_python], env={"PROGRAM": program("a busy loop")})
    with open("/proc/%d/task/%d/children" % (outer.pid, outer.pid)) as stream:
        pid = int(stream.read().split()[0])
    for command, state in (("attach", SAMPLING), ("detach", STOPPED)):
        call_json(caulk, command, pid)
        assert recording(pid)[0] == state
    assert "caulk-door" not in mappings(pid)
    assert not [link for link in descriptors(pid) if "caulk" in link]
    assert not os.listdir("/proc/%d/root/tmp" % pid)
    assert not outer.errors()


@needs_root
@pytest.mark.parametrize("version", ["3.9", "3.12"])
def test_another_root_without_proc(caulk, target, tmp_path, version):
    """The library cannot be named there as a file in memory: it lies in a folder for a moment."""
    python = pythons.find(version)
    prefix = python and subprocess.run([python, "-c", "import sys; print(sys.base_prefix)"], capture_output=True, text=True).stdout.strip()
    if not python or prefix == "/usr" or not os.path.realpath(python).startswith(prefix + "/"):
        pytest.skip("no CPython %s in a folder of its own" % version)
    root = tmp_path / "root"
    root.mkdir()
    commands = ("mount -t tmpfs none {root} && cd {root} && mkdir snake lib64 lib usr tmp && mount --bind {prefix} snake && "
                "mount --bind /lib64 lib64 && mount --bind /lib lib && mount --bind /usr usr && LD_LIBRARY_PATH=/snake/lib "
                "PYTHONHOME=/snake exec chroot {root} /snake/{executable} -c \"$PROGRAM\"")
    commands = commands.format(root=root, prefix=prefix, executable=os.path.relpath(os.path.realpath(python), prefix))
    if subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode:
        pytest.skip("namespaces are not allowed here")
    process = target(["unshare", "-m", "sh", "-c", commands], env={"PROGRAM": program("a busy loop")})
    check_round(caulk, process)
    assert not os.listdir("/proc/%d/root/tmp" % process.pid)


# --- seccomp ---

def filtered(number, verdict):
    return (FRAME % 0).replace('print("ready"', seccomp.deny([number], verdict) + 'print("ready"') + WORLDS["a busy loop"][1]


@needs_root
def test_a_filter_that_is_not_in_the_way(caulk, target, some_python):
    check_round(caulk, target([some_python, "-c", filtered(seccomp.FORK, seccomp.KILL)]))


@needs_root
def test_a_filter_that_would_kill(caulk, target, some_python):
    process = target([some_python, "-c", filtered(seccomp.MEMFD_CREATE, seccomp.KILL)])
    result = call(caulk, "attach", process.pid)
    assert result.returncode == BUSY and "seccomp filter would end it" in result.stderr, result
    check_clean(process)
    check_runs(process)
    assert "libcaulk_agent" not in mappings(process.pid)


@needs_root
def test_a_filter_against_files_in_memory(caulk, target, some_python, tmp_path):
    process = target([some_python, "-c", filtered(seccomp.MEMFD_CREATE, seccomp.FAIL)])
    call_json(caulk, "attach", process.pid, "-o", tmp_path / "recording")
    assert (tmp_path / "recording").read_bytes()[24] == SAMPLING
    check_clean(process)
    check_runs(process)


# --- caulk is killed ---

def test_killed_visits(caulk, target, some_python):
    """The program goes on, and the next visit finds it in order."""
    chance = random.Random(7)
    process = target([some_python, "-c", program("threads")])
    for _ in range(25):
        visitor = subprocess.Popen([caulk, chance.choice(["attach", "detach"]), str(process.pid)],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(chance.uniform(0, 0.05))
        visitor.kill()
        visitor.wait()
        assert process.alive(), process.errors()
    check_runs(process)
    call_json(caulk, "attach", process.pid)
    assert recording(process.pid)[0] == SAMPLING
    call_json(caulk, "detach", process.pid)
    assert recording(process.pid)[0] == STOPPED
    check_clean(process)
    check_runs(process)
