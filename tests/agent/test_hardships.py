"""What a program may do to itself, and what may happen to the sampler: the program's output and end stay its own."""
import os
import signal
import subprocess
import textwrap

import pytest

import pythons
import recording
from sampled import Sampled, check_live

# Each program meets two of these in turn.
WORLDS = [("3.9", "interval=1 native=1"), ("3.11", "interval=2000"), ("3.13", "interval=1"), ("3.15", "interval=2000 native=1")]

BEGIN = """
import os, resource, signal, subprocess, sys, threading, time
def make(n):
    return [{"id": i, "values": [i * 1.5] * (i % 40), "name": "x" * (i % 900)} for i in range(n)]
def work():
    kept = make(150)
    return sum(len(item["name"]) for item in kept)
WORK = work()
def good():
    return work() == WORK
def recordings():
    import glob
    return glob.glob(os.environ["FOLDER"] + "/r.*")
def child_works():
    pid = os.fork()
    if not pid:
        os._exit(3 if good() else 1)
    return os.waitpid(pid, 0)[1] >> 8
"""

# name: (program, output, exit status, the least number of recordings that are left)
PROGRAMS = {
    "its recording is cut to nothing": ("""
        kept = make(200)
        [os.truncate(path, 0) for path in recordings()]
        print(good(), len(kept))
        del kept
        print(good(), child_works(), good())
    """, "True 200\nTrue 3 True\n", 0, 0),
    "its recording is cut in the middle": ("""
        kept = make(200)
        [os.truncate(path, os.path.getsize(path) // 3) for path in recordings()]
        print(good(), good(), child_works())
    """, "True True 3\n", 0, 0),
    "its recording is cut while threads work": ("""
        results = []
        threads = [threading.Thread(target=lambda: results.append(all(good() for _ in range(20)))) for _ in range(4)]
        [thread.start() for thread in threads]
        [os.truncate(path, 4096) for path in recordings()]
        [thread.join() for thread in threads]
        print(results)
    """, "[True, True, True, True]\n", 0, 0),
    "a child's recording is cut": ("""
        pid = os.fork()
        if not pid:
            good()
            [os.truncate(path, 0) for path in recordings()]
            os._exit(3 if good() and child_works() == 3 else 1)
        print(os.waitpid(pid, 0)[1] >> 8)
        print(good())
    """, "3\nTrue\n", 0, 0),
    "its recording is cut while faulthandler is on": ("""
        import faulthandler
        faulthandler.enable(open(os.devnull, "w"))
        kept = [good(), time.sleep(0.02), make(200)]
        [os.truncate(path, 0) for path in recordings()]
        print(good(), child_works(), good(), faulthandler.is_enabled())
    """, "True 3 True True\n", 0, 0),
    "its recording is cut while it takes SIGBUS": ("""
        seen = []
        def take(number, frame):
            seen.append(number)
        signal.signal(signal.SIGBUS, take)
        kept = [good(), time.sleep(0.02), make(200)]
        [os.truncate(path, 0) for path in recordings()]
        print(good(), child_works(), good(), seen, signal.getsignal(signal.SIGBUS) is take)
        os.kill(os.getpid(), signal.SIGBUS)
        print(seen)
    """, "True 3 True [] True\n[7]\n", 0, 0),
    "its recording is cut after handlers came and went": ("""
        import faulthandler
        with open(os.devnull, "w") as nowhere:
            for number in range(5):
                faulthandler.enable(nowhere)
                good(), time.sleep(0.01), make(10)
                faulthandler.disable()
                good(), time.sleep(0.01), make(10)
            signal.signal(signal.SIGBUS, signal.SIG_DFL)
            good(), time.sleep(0.01), make(10)
            faulthandler.enable(nowhere)
            good(), time.sleep(0.01), make(200)
            [os.truncate(path, 0) for path in recordings()]
            print(good(), child_works(), good())
    """, "True 3 True\n", 0, 0),
    "the folder is removed": ("""
        import shutil
        shutil.rmtree(os.environ["FOLDER"])
        print(good(), child_works())
    """, "True 3\n", 0, 0),
    "a SIGBUS of its own": ("""
        seen = []
        signal.signal(signal.SIGBUS, lambda number, frame: seen.append(number))
        os.kill(os.getpid(), signal.SIGBUS)
        print(seen, good())
    """, "[7] True\n", 0, 1),
    "it dies by a SIGBUS that is sent": ("""
        print(good(), flush=True)
        os.kill(os.getpid(), signal.SIGBUS)
    """, "True\n", -signal.SIGBUS, 1),
    "it dies by a file of its own that is cut": ("""
        import mmap, tempfile
        with tempfile.TemporaryFile() as file:
            file.truncate(8192)
            mapped = mmap.mmap(file.fileno(), 8192)
            file.truncate(0)
            print(good(), flush=True)
            mapped[5000]
    """, "True\n", -signal.SIGBUS, 1),
    "its address space is limited": ("""
        resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
        threads = [threading.Thread(target=work) for _ in range(5)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
        print(good(), len(bytes(200 << 20)))
        kept = []
        try:
            for number in range(4000):
                kept.append(bytes(1 << 20))
        except MemoryError:
            count = len(kept)
            kept.clear()
            print(100 < count < 1024)
        print(good(), child_works())
    """, "True 209715200\nTrue\nTrue 3\n", 0, 1),
    "prlimit": ("""
        resource.prlimit(0, resource.RLIMIT_AS, (1 << 30, 1 << 30))
        print(resource.prlimit(os.getpid(), resource.RLIMIT_AS)[0] >> 30, good(), len(bytes(200 << 20)))
    """, "1 True 209715200\n", 0, 1),
    "a child with little address space": ("""
        code = "print(len(bytes(100 << 20)), len([str(i) for i in range(3000)]))"
        limit = lambda: resource.setrlimit(resource.RLIMIT_AS, (400 << 20, 400 << 20))
        print(subprocess.run([sys.executable, "-c", code], preexec_fn=limit, stdout=subprocess.PIPE).stdout, good())
    """, "b'104857600 3000\\n' True\n", 0, 1),
    "files may have 4096 bytes": ("""
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
        print(good(), child_works())
    """, "True 3\n", 0, 1),
    "no file may be opened": ("""
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))
        print(good(), child_works())
    """, "True 3\n", 0, 1),
    "all pages are locked": ("""
        import ctypes
        libc = ctypes.CDLL(None)
        libc.mlockall(1)
        print(good(), libc.munlockall(), child_works())
    """, "True 0 3\n", 0, 2),
    "it becomes a daemon": ("""
        ours, theirs = os.pipe()
        pid = os.fork()
        if pid:
            os.close(theirs)
            os.waitpid(pid, 0)
            print(os.read(ours, 100))
            sys.exit(0)
        os.setsid()
        os.chdir("/")
        os.umask(0o777)
        if os.fork():
            os._exit(0)
        os.dup2(theirs, 9)
        os.closerange(0, 9)
        [os.open(os.devnull, os.O_RDWR) for _ in range(3)]
        os.write(9, b"done" if good() else b"bad")
        os._exit(0)
    """, "b'done'\n", 0, 2),
    "threads fork while others work": ("""
        stop = False
        def churn():
            while not stop:
                make(20)
        def forks(out):
            for _ in range(3):
                out.append(child_works())
        outs = [[], []]
        churns = [threading.Thread(target=churn)]
        forking = [threading.Thread(target=forks, args=(out,)) for out in outs]
        [thread.start() for thread in churns + forking]
        [thread.join() for thread in forking]
        stop = True
        [thread.join() for thread in churns]
        print(outs)
    """, "[[3, 3, 3], [3, 3, 3]]\n", 0, 7),
    "posix_spawn, vfork and system": ("""
        command = [sys.executable, "-c", "print(len([str(i) for i in range(5000)]), flush=True)"]
        pid = os.posix_spawn(sys.executable, command, os.environ)
        print(os.waitpid(pid, 0)[1], flush=True)
        print(subprocess.run(["/bin/echo", "x"], close_fds=False, stdout=subprocess.PIPE).stdout, os.system("exit 3") >> 8, good())
    """, "5000\n0\nb'x\\n' 3 True\n", 0, 2),
    "exec in a thread": ("""
        command = [sys.executable, "-c", "print(len([str(i) for i in range(5000)]))"]
        thread = threading.Thread(target=lambda: os.execv(sys.executable, command))
        thread.start()
        thread.join()
    """, "5000\n", 0, 2),
    "threads end by sys.exit": ("""
        def one(number):
            make(50)
            sys.exit(4)
        threads = [threading.Thread(target=one, args=(number,)) for number in range(20)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
        print(good())
    """, "True\n", 0, 1),
    "threads die, what they made stays": ("""
        kept = []
        for number in range(80):
            thread = threading.Thread(target=lambda: kept.append(make(20)))
            thread.start()
            thread.join()
        print(len(kept), sum(len(made) for made in kept))
        kept.clear()
        print(good())
    """, "80 1600\nTrue\n", 0, 1),
    "it ends while daemon threads work": ("""
        def churn():
            while True:
                make(20)
        [threading.Thread(target=churn, daemon=True).start() for _ in range(3)]
        print(good())
    """, "True\n", 0, 1),
    "abort": ("print(good(), flush=True)\nos.abort()", "True\n", -signal.SIGABRT, 1),
    "a stack is dumped again and again": ("""
        import faulthandler
        with open(os.devnull, "w") as nowhere:
            faulthandler.enable(nowhere)
            faulthandler.dump_traceback_later(0.002, repeat=True, file=nowhere)
            print(all(good() for _ in range(15)))
            faulthandler.cancel_dump_traceback_later()
            faulthandler.disable()
    """, "True\n", 0, 1),
    "it is stopped and goes on": ("""
        wait = "while ! grep -q 'State:.T' /proc/%d/status; do sleep 0.02; done; kill -CONT %d" % (os.getpid(), os.getpid())
        helper = subprocess.Popen(["/bin/sh", "-c", wait])
        os.kill(os.getpid(), signal.SIGSTOP)
        print(good(), helper.wait())
    """, "True 0\n", 0, 1),
    "another user": ("""
        os.setgid(65534)
        os.setuid(65534)
        print(good(), child_works())
    """, "True 3\n", 0, 1),
    "another root": ("""
        os.chroot(os.environ["EMPTY"])
        os.chdir("/")
        print(good(), child_works())
    """, "True 3\n", 0, 1),
}
NEED_ROOT = ("another user", "another root")


def run(sampled, python, program, words, folder):
    environment = sampled.environment(words, FOLDER=sampled.folder, EMPTY=str(folder / "empty"), PYTHONDONTWRITEBYTECODE="1")
    (folder / "empty").mkdir()
    (folder / "program.py").write_text(BEGIN + textwrap.dedent(program))
    # Signals that end it leave no core.
    return subprocess.run(["/bin/sh", "-c", 'ulimit -c 0; exec "$@"', "sh", python, "-W", "ignore", str(folder / "program.py")],
                          env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)


def complete(sampled):
    """The recordings that can be read."""
    return [recording.Recording(path) for path in sampled.paths() if os.path.getsize(path) > 1 << 20]


@pytest.mark.parametrize("name, minor, words", [(name, *WORLDS[(number + half) % 4])
                                                for number, name in enumerate(PROGRAMS) for half in (0, 2)])
def test_the_program_goes_on(sampled, tmp_path, name, minor, words):
    python = pythons.need(minor)
    if name in NEED_ROOT and os.geteuid() != 0:
        pytest.skip("needs root")
    program, output, status, least = PROGRAMS[name]
    done = run(sampled, python, program, words, tmp_path)
    assert (done.returncode, done.stdout) == (status, output), done.stderr
    if not least:
        return
    found = complete(sampled)
    assert sum(one.samples > 50 for one in found) >= least, [one.samples for one in found]
    for one in found:
        check_live(one)


@pytest.mark.parametrize("how", ["no such folder", "files of no size", "a folder that cannot be written"])
def test_where_no_recording_can_be_the_program_runs(newest_python, library, tmp_path, how):
    limit = None
    folder = tmp_path / "missing" if how == "no such folder" else tmp_path
    if how == "files of no size":
        def limit():
            import resource
            resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
    if how == "a folder that cannot be written":
        folder = "/proc"
    sampled = Sampled(library, folder)
    done = sampled.run(newest_python, BEGIN + "print(good(), child_works())", "interval=1", preexec_fn=limit)
    assert (done.returncode, done.stdout, done.stderr) == (0, "True 3\n", "")
    assert not sampled.paths()
