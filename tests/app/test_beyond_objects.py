"""Growth that no Python object explains: blocks that C code loses or keeps, memory between objects, a child process. And a
program that does all of it without growing."""
import os
import shutil
import subprocess

import pytest
import verdict as verdicts

SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "native.c")

PROGRAM = """
import collections, ctypes, os, sys, threading, time
sys.path.insert(0, sys.argv[3])
import _service
lib, libc = ctypes.CDLL(sys.argv[2]), ctypes.CDLL(None)
lib.leak.argtypes = [ctypes.c_int, ctypes.c_size_t]
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
libc.memset.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]
ROWS, SAMPLES, PAGES = [], [], collections.deque(maxlen=40 if sys.argv[1] == "flat" else None)

def take(size):
    block = libc.malloc(size)
    libc.memset(block, 1, size)
    return block

def lost(number):
    take(3000)

def kept(number):
    lib.leak(1, 3000)

def scattered(number):  # one size after the other, so that nothing fits into what the one before has left
    width = 15 + 16 * (len(SAMPLES) % 30)
    ROWS.extend(b"%08d" % row + b" " * (width - 8) for row in range(5000 // (width + 33)))
    if len(ROWS) * (width + 33) > 1_000_000:
        SAMPLES.append(ROWS[::15_000 // (width + 33)])
        del ROWS[:]

def pages(number):
    PAGES.append(bytes(5000))

def child(number):
    pass

def flat(number):
    libc.free(take(3000))
    lib.leak(1, 3000)
    lib.drop()

def warm():  # malloc keeps what a thread has freed, some blocks of each size, and meets a new one all the time
    for size in range(24, 1024):
        for block in [take(size) for _ in range(12)]:
            libc.free(block)
        time.sleep(0.03)

if sys.argv[1] in ("child", "flat") and not os.fork():
    _service.serve(pages)
for _ in range(12 if sys.argv[1] == "flat" else 0):
    threading.Thread(target=warm, daemon=True).start()
_service.serve(globals()[sys.argv[1]])
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    compiler = shutil.which("cc") or shutil.which("gcc")
    if not compiler:
        pytest.skip("no C compiler")
    path = str(tmp_path_factory.mktemp("native") / "keeper.so")
    subprocess.run([compiler, "-O1", "-shared", "-fPIC", "-D_GNU_SOURCE", SOURCE, "-o", path, "-ldl", "-lpthread"],
                   check=True)
    return path


@pytest.fixture
def start(target, library, newest_python, tmp_path):
    path = str(tmp_path / "program.py")
    with open(path, "w") as stream:
        stream.write(PROGRAM)
    programs = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "programs")
    return lambda how: target([newest_python, path, how, library, programs])


def leaks(caulk, program, kind):
    """The first finding. Five seconds are short on a machine that is busy: who fails gets a second, longer look."""
    found = verdicts.leaks(caulk, program.pid, 5)
    if found["verdict"] != "leak" or found["findings"][0]["kind"] != kind:
        print("not in 5 seconds:", verdicts.summary(found))
        found = verdicts.leaks(caulk, program.pid, 12)
    assert found["verdict"] == "leak" and found["findings"][0]["kind"] == kind, verdicts.summary(found)
    assert program.alive() and not program.errors(), program.errors()
    return found["findings"][0]


def test_blocks_that_c_code_lost(caulk, start):
    finding = leaks(caulk, start("lost"), "native-leak")
    assert verdicts.path_of(finding) == "<nobody: lost by C code>"


def test_blocks_that_a_library_keeps(caulk, start):
    finding = leaks(caulk, start("kept"), "native-growth")
    assert verdicts.path_of(finding) == "<C data of keeper.so>"


def test_memory_between_objects(caulk, start):
    finding = leaks(caulk, start("scattered"), "fragmentation")
    assert verdicts.path_of(finding) == "__main__.SAMPLES"
    assert finding["grows"][0]["type"] == "bytes"


def test_growth_in_a_child(caulk, start):
    program = start("child")
    finding = leaks(caulk, program, "child-process")
    assert verdicts.path_of(finding) == "__main__.PAGES"
    assert finding["pid"] != program.pid and str(finding["pid"]) in finding["title"]


def test_the_same_without_growth(caulk, start):
    program = start("flat")
    found = verdicts.leaks(caulk, program.pid, 5)
    if found["verdict"] != "no-leak":
        print("not in 5 seconds:", verdicts.summary(found))
        found = verdicts.leaks(caulk, program.pid, 12)
    assert found["verdict"] == "no-leak" and not found["findings"], verdicts.summary(found)
    assert program.alive() and not program.errors(), program.errors()
