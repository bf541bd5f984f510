"""A process that may make no file of a recording's size has it in memory without a name, its children too."""
import os
import subprocess

import pytest

# How many recordings are mapped, whether its head has this pid and the flag of a fork, and where it lies.
PROGRAM = """
import ctypes, os, resource, signal, struct, sys
def own():
    lines = [line for line in open("/proc/self/maps") if " rw-s " in line]
    begins = [int(line.split("-")[0], 16) for line in lines]
    lines = [line for line, begin in zip(lines, begins) if ctypes.string_at(begin, 8) == b"CAULKREC"]
    head = ctypes.string_at(int(lines[0].split("-")[0], 16), 256)
    flags, pid = struct.unpack_from("<Ii", head, 28)
    return len(lines), pid == os.getpid(), bool(flags & 8), "memfd" in lines[0]
def work():
    return [bytes(1000) for _ in range(200)]
if sys.argv[1] == "size":
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
kept = work()
print(own(), flush=True)
pid = os.fork()
if not pid:
    kept = work()
    print(own(), flush=True)
    os._exit(3)
print(os.waitpid(pid, 0)[1] >> 8)
"""


@pytest.mark.parametrize("limit, parent, child", [("none", "memfd", "memfd"), ("size", "memfd", "memory"), ("first", "memory", "memory")])
def test_without_a_file(newest_python, library, limit, parent, child):
    def no_files():
        import resource
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
    done = subprocess.run([newest_python, "-c", PROGRAM, limit], env=dict(os.environ, LD_PRELOAD=library, CAULK_AGENT="interval=1"),
                          capture_output=True, text=True, timeout=60, preexec_fn=no_files if limit == "first" else None)
    expected = [(1, True, False, parent == "memfd"), (1, True, True, child == "memfd"), 3]
    assert (done.stdout.splitlines(), done.stderr) == ([str(one) for one in expected], "")
