"""caulk attach --native: what C code allocates and keeps is on the line of Python that called it; the program goes on
whatever it does to its blocks, and after caulk detach nothing leads to the sampler any more."""
import atexit
import functools
import json
import os
import shutil
import struct
import subprocess
import tempfile

import pytest

import test_attach
from test_attach import call, call_json, mappings

SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "native.c")
BOUND = {"now": ["-Wl,-z,relro,-z,now"], "lazy": ["-Wl,-z,lazy"], "direct": ["-fno-plt", "-Wl,-z,relro,-z,now"]}

# Runs one of its functions for each line of its input, and runs Python code all the time.
PROGRAM = """
import _ctypes, ctypes, os, select, sys
def load(path):
    lib = ctypes.CDLL(path)
    lib.leak.argtypes = lib.churn.argtypes = [ctypes.c_int, ctypes.c_size_t]
    lib.leak_mapping.argtypes = lib.leak_by_all.argtypes = [ctypes.c_size_t]
    lib.mistreat.argtypes = [ctypes.c_int, ctypes.c_void_p]
    return lib
lib = load(sys.argv[1])
python_kept = []
def leak():
    lib.leak(100, 1000)  # leak
def drop():
    lib.drop()
def leak_by_all():
    lib.leak_by_all(4000)  # leak_by_all
def churn():
    lib.churn(200, 700)  # churn
def leak_mapping():
    lib.leak_mapping(1 << 20)  # leak_mapping
def mistreat():
    return lib.mistreat(300, ctypes.cast(ctypes.CDLL(None).free, ctypes.c_void_p))  # mistreat
def keep_python():
    python_kept.append(bytearray(50000))  # keep_python
def load_another():
    global another
    another = load(sys.argv[2])
    another.leak(50, 2000)  # load_another
def load_and_close():
    global another
    another = load(sys.argv[2])
    another.churn(10, 100)
    _ctypes.dlclose(another._handle)
    another = None
def finds_itself():
    return lib.finds_itself()
def threads_begin():
    lib.threads_begin(3)
def threads_end():
    return lib.threads_end(3)
def fork():
    child = os.fork()
    if not child:
        lib.drop(); lib.leak(100, 1000); lib.churn(100, 100); lib.drop()
        os._exit(7)
    return os.waitpid(child, 0)[1] >> 8
print("ready", flush=True)
waiting = ""
while True:
    if select.select([0], [], [], 0.005)[0]:
        waiting += os.read(0, 4096).decode()
    while "\\n" in waiting:
        name, _, waiting = waiting.partition("\\n")
        print("done", name, globals()[name](), flush=True)
"""


@functools.lru_cache(maxsize=None)
def library(how):
    built = os.path.join(tempfile.mkdtemp(prefix="caulk-test-"), how + ".so")
    atexit.register(shutil.rmtree, os.path.dirname(built), True)
    subprocess.run(["gcc", "-D_GNU_SOURCE", "-O1", "-shared", "-fPIC", "-pthread", "-w", *BOUND[how], "-o", built, SOURCE], check=True)
    return built


class World:
    """The program, with the library and a second one that it has not loaded yet."""

    def __init__(self, caulk, target, folder, python, how="now", preload=None):
        self.caulk, self.folder = caulk, folder
        self.program = folder / "program.py"
        self.program.write_text(PROGRAM)
        self.libraries = [str(folder / name) for name in ("first.so", "second.so")]
        for copy in self.libraries:
            shutil.copy(library(how), copy)
        self.process = target([python, self.program, *self.libraries], env={"PYTHONWARNINGS": "ignore", **({"LD_PRELOAD": preload} if preload else {})})
        self.pid = self.process.pid

    def do(self, *names):
        """What the last of the functions returned."""
        for name in names:
            self.process.send(name)
            value = self.process.wait_line("done " + name)
        return value

    def attach(self, *words):
        file = self.folder / "recording"
        return call_json(self.caulk, "attach", self.pid, "--native", *([] if file.exists() else ["-o", file]), *words)

    def detach(self):
        return call_json(self.caulk, "detach", self.pid)

    def lines(self):
        """What the lines with a name behind # allocated, and whether that is exact."""
        report = json.loads(call(self.caulk, "lines", self.folder / "recording", "--json", "-").stdout)
        found = next(file for file in report["files"] if file["file"] == str(self.program))
        return {line["text"].rpartition("# ")[2]: line for line in found["lines"] if "  # " in line["text"]}

    def check_goes_on(self):
        assert self.do("leak", "drop", "churn") == "None"
        test_attach.check_clean(self.process)

    def library_mappings(self):
        return [line.split()[:2] for line in mappings(self.pid).splitlines() if "first.so" in line]

    def slots_of_the_sampler(self):
        """Words of the first library that lead into the sampler."""
        agent = [[int(end, 16) for end in line.split()[0].split("-")] for line in mappings(self.pid).splitlines()
                 if "libcaulk_agent" in line]
        found = 0
        with open("/proc/%d/mem" % self.pid, "rb") as memory:
            for bounds, _ in self.library_mappings():
                begin, end = (int(bound, 16) for bound in bounds.split("-"))
                memory.seek(begin)
                for word, in struct.iter_unpack("Q", memory.read(end - begin)):
                    found += any(low <= word < high for low, high in agent)
        return found


def holds(line, size, count):
    """Python's own objects of a call are few and small."""
    return size <= line["live_bytes"] < size + 3000 and count <= line["live_count"] < count + 30


@pytest.fixture
def world(caulk, target, tmp_path):
    return lambda python, **more: World(caulk, target, tmp_path, python, **more)


def test_leaked_blocks_are_on_their_line(world, python_with_gil):
    it = world(python_with_gil)
    it.do("leak", "leak_by_all", "churn")
    it.attach("--every-byte")
    it.do("drop", "leak", "leak", "leak_by_all", "churn", "leak_mapping", "keep_python")
    it.detach()
    it.check_goes_on()
    lines = it.lines()
    assert holds(lines["leak"], 200000, 200), lines["leak"]
    assert holds(lines["leak_by_all"], 24000, 6), lines["leak_by_all"]
    assert holds(lines["churn"], 0, 0) and lines["churn"]["total_bytes"] >= 200 * (700 + 2100 + 1400), lines["churn"]
    assert holds(lines["leak_mapping"], 1 << 20, 1), lines["leak_mapping"]
    assert holds(lines["keep_python"], 50000, 1), lines["keep_python"]


@pytest.mark.parametrize("how", BOUND)
def test_every_kind_of_slot(world, newest_python, how):
    """Bound at once behind read-only pages, at the first call, or called without a table; and given back as they were."""
    it = world(newest_python, how=how)
    before = it.library_mappings()
    it.attach("--every-byte")
    assert it.slots_of_the_sampler() >= 5  # some lead through the table of a program that has one
    assert it.library_mappings() == before
    it.do("leak", "churn")
    assert it.do("finds_itself") == "1"
    it.detach()
    assert it.do("finds_itself") == "1"
    assert it.slots_of_the_sampler() == 0
    assert it.library_mappings() == before
    it.check_goes_on()
    assert holds(it.lines()["leak"], 100000, 100)


def test_sampled(world, newest_python):
    """2 MB in blocks of 1000 bytes, of which every fifth or so is a sample: 6 standard deviations are 25 %."""
    it = world(newest_python)
    it.attach("--interval", 4096, "--budget", 100)
    it.do(*["leak"] * 20, "churn")
    it.detach()
    lines = it.lines()
    assert 1.5e6 < lines["leak"]["live_bytes"] < 2.5e6
    assert lines.get("churn", {"live_bytes": 0})["live_bytes"] == 0


@pytest.mark.parametrize("python", ["3.9", "3.12", "3.14"], indirect=True)
def test_a_library_that_comes_later(world, python):
    it = world(python)
    it.attach("--every-byte")
    it.do("load_another")
    it.detach()
    it.check_goes_on()
    assert holds(it.lines()["load_another"], 100000, 50)


def test_a_library_that_goes(world, newest_python):
    it = world(newest_python)
    for _ in range(3):
        it.attach("--every-byte")
        it.do("load_and_close", "churn", "load_and_close")
        assert "second.so" not in mappings(it.pid)
        it.detach()
        it.check_goes_on()


def test_blocks_that_are_freed_unseen(world, newest_python):
    """By the C library itself and by a pointer to free that the program has: the block was never moved, so nothing
    breaks, and what is booked as alive is no more than what is free and was not given out again."""
    it = world(newest_python)
    it.attach("--every-byte")
    assert it.do("mistreat") == "0"
    line = it.lines()["mistreat"]
    assert line["total_bytes"] >= 300 * 3000
    assert line["live_bytes"] < 10 * 3000
    it.detach()
    it.check_goes_on()


def test_what_was_freed_while_nobody_looked(world, newest_python):
    it = world(newest_python)
    it.attach("--every-byte")
    it.do("leak")
    it.detach()
    it.do("drop")
    it.attach("--every-byte")
    assert "leak" not in it.lines() or holds(it.lines()["leak"], 0, 0)
    it.do("leak")
    assert holds(it.lines()["leak"], 100000, 100)
    it.detach()


def test_native_is_asked_for_each_time(world, newest_python):
    it = world(newest_python)
    it.attach("--every-byte")
    call_json(it.caulk, "attach", it.pid, "--every-byte")
    assert it.slots_of_the_sampler() == 0
    it.do("leak")
    assert "leak" not in it.lines() or holds(it.lines()["leak"], 0, 0)
    it.attach("--every-byte")
    it.do("leak")
    assert holds(it.lines()["leak"], 100000, 100)
    it.detach()
    assert it.slots_of_the_sampler() == 0


@pytest.mark.parametrize("python", ["3.9", "3.13"], indirect=True)
def test_other_allocators(world, other_allocator, python):
    it = world(python, preload=other_allocator)
    it.do("leak", "leak_by_all", "threads_begin")
    it.attach("--every-byte")
    it.do("leak", "drop", "leak", "leak_by_all", "churn", "load_another")
    it.detach()
    assert it.do("threads_end") == "0"
    it.check_goes_on()
    lines = it.lines()
    assert holds(lines["leak"], 100000, 100), lines["leak"]
    assert holds(lines["leak_by_all"], 24000, 6), lines["leak_by_all"]
    assert holds(lines["load_another"], 100000, 50), lines["load_another"]


def test_a_fork(world, newest_python):
    it = world(newest_python)
    it.do("leak", "threads_begin")
    it.attach("--interval", 4096)
    it.do("leak")
    for _ in range(5):
        assert it.do("fork") == "7"
    it.detach()
    assert it.do("threads_end") == "0"
    it.check_goes_on()


@pytest.mark.parametrize("python", ["3.9", "3.14"], indirect=True)
def test_in_and_out_under_load(world, python):
    it = world(python)
    it.do("threads_begin")
    for _ in range(int(os.environ.get("CAULK_CYCLES", "8"))):
        it.attach("--interval", 8192)
        it.detach()
        assert it.process.alive(), it.process.errors()
    assert it.do("threads_end") == "0"
    assert it.slots_of_the_sampler() == 0
    it.check_goes_on()
