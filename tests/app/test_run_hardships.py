"""caulk run when things end badly: caulk is killed, the program is, somebody stops both, there is no room, users change."""
import json
import os
import pty
import random
import resource
import shutil
import signal
import subprocess
import tempfile
import time

import pytest

from test_run import agent, line_of, lines_at, script, start, usual_signals  # noqa: F401

LIMIT = 60


def wait_until(is_so, what):
    end = time.monotonic() + LIMIT
    while not is_so():
        assert time.monotonic() < end, "waited %d s: %s" % (LIMIT, what)
        time.sleep(0.02)


def state_of(pid):
    try:
        with open("/proc/%d/stat" % pid) as stream:
            return stream.read().rpartition(")")[2].split()[0]
    except OSError:
        return None


def test_the_program_outlives_caulk(start, script, tmp_path):
    run = start("--every-byte", script("""
        import os, sys, time
        kept = []
        print(os.getpid())
        while len(kept) < 100 or not os.path.exists(sys.argv[1]):
            kept = [bytes(1000) for _ in range(100)]
            time.sleep(0.01)
        child = os.fork()
        if not child:
            os._exit(5)
        with open(sys.argv[1] + ".done", "w") as stream:
            stream.write("%d %d" % (len(kept), os.waitpid(child, 0)[1] >> 8))
    """), tmp_path / "go")
    program = int(run.process.stdout.readline())
    os.kill(run.process.pid, signal.SIGKILL)
    run.process.wait()
    assert state_of(program) in ("R", "S", "D")
    (tmp_path / "go").touch()
    done = tmp_path / "go.done"
    wait_until(lambda: done.exists() and done.read_text(), "the program to go on")
    assert done.read_text() == "100 5"
    wait_until(lambda: state_of(program) in (None, "Z"), "the program to end")


@pytest.mark.parametrize("seed", range(4))
def test_killed_at_any_moment(caulk, start, script, tmp_path, seed):
    moment = random.Random(seed).uniform(0, 0.3)
    path = script("""
        import os, signal, sys, threading, time
        KEPT = []
        def keep(number):
            KEPT.append(bytearray(500))  # kept
            [str(i) for i in range(number % 50)]
        [keep(number) for number in range(200)]
        threading.Timer(float(sys.argv[1]), lambda: os.kill(os.getpid(), signal.SIGKILL)).start()
        threading.Thread(target=lambda: [keep(number) for number in range(10 ** 9)]).start()
        [keep(number) for number in range(10 ** 9)]
    """)
    kept = tmp_path / "kept.rec"
    run = start("--every-byte", "--watch", "0", "-o", kept, path, moment)
    assert run.finish() == -signal.SIGKILL
    done = subprocess.run([caulk, "lines", str(kept), "--json", "-"], capture_output=True, text=True, timeout=LIMIT)
    assert (done.returncode, done.stderr) == (0, "")
    file, = [one for one in json.loads(done.stdout)["files"] if one["file"] == path]
    line, = [one for one in file["lines"] if one["line"] == line_of(path, "kept")]
    assert line["live_count"] >= 400 and line["live_bytes"] >= 200 * 557
    assert line["live_bytes"] <= line["total_bytes"] and line["peak_bytes"] <= line["total_bytes"]
    assert lines_at(run.report()["processes"][0], path, line_of(path, "kept"))[0]["live_bytes"] == line["live_bytes"]


def test_stopped_at_the_terminal_and_continued(caulk, agent, newest_python, script):
    path = script("""
        import os, time
        print("ready %d" % os.getpid(), flush=True)
        while not os.path.exists(os.environ["GO"]):
            time.sleep(0.02)
        print(input("name? ").upper(), os.isatty(0), flush=True)
    """)
    shell = '"$@"; echo "stopped by $?"; touch "$GO"; fg; echo "ended by $?"'
    pid, terminal = pty.fork()
    if pid == 0:
        usual_signals()
        os.environ["GO"] = path + ".go"
        os.execv("/bin/sh", ["sh", "-mc", shell, "sh", caulk, "run", "--watch", "0", "--python", newest_python, path])
    seen = b""
    try:
        while b"\n" not in seen.partition(b"ready")[2]:
            seen += os.read(terminal, 4096)
        os.write(terminal, b"\x1a")
        while b"name?" not in seen:
            seen += os.read(terminal, 4096)
        os.write(terminal, b"ada\n")
        while b"ended by" not in seen:
            seen += os.read(terminal, 4096)
    finally:
        os.close(terminal)
        os.waitpid(pid, 0)
    assert b"stopped by %d" % (128 + signal.SIGTSTP) in seen
    assert b"ADA True" in seen and b"PEAK" in seen and b"ended by 0" in seen


def test_no_room_for_a_recording_is_told(caulk, agent, newest_python, script):
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))  # noqa: E731
    done = subprocess.run([caulk, "run", "--python", newest_python, script("print('out')")], capture_output=True, text=True,
                          preexec_fn=limit, timeout=LIMIT)
    assert (done.returncode, done.stdout) == (0, "out\n")
    assert "ulimit -f" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("option", ["-o", "--json"])
def test_a_full_disk_under_what_is_kept(caulk, agent, newest_python, script, option):
    done = subprocess.run([caulk, "run", "--python", newest_python, option, "/dev/full", script("import sys; print('out'); sys.exit(3)")],
                          capture_output=True, text=True, timeout=LIMIT)
    assert (done.returncode, done.stdout) == (3, "out\n")
    assert "/dev/full" in done.stderr and "No space left on device" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become another user")
def test_children_of_another_user_have_recordings(start, script):
    """A server that root starts and that gives its rights away, as gunicorn and uwsgi do."""
    path = script("""
        import os
        os.setgid(65534)
        os.setuid(65534)
        def work():
            return [bytes(10000) for _ in range(300)]  # child
        pid = os.fork()
        if not pid:
            kept = work()
            os._exit(0)
        os.waitpid(pid, 0)
    """)
    place = tempfile.mkdtemp(prefix="caulk-test-", dir="/tmp")
    os.chmod(place, 0o711)
    try:
        run = start("--every-byte", "--watch", "0", path, env={"TMPDIR": place})
        assert run.finish() == 0
        assert os.listdir(place) == []
    finally:
        shutil.rmtree(place)
    parts = run.report()["processes"]
    assert len(parts) == 2, run.errors()
    child = next(part for part in parts if part["parent"] in [other["pid"] for other in parts])
    assert lines_at(child, path, line_of(path, "child"))[0]["live_bytes"] >= 300 * 10000
