"""Other tools that set hooks on Python's allocators, before the sampler or after it: no block gets lost between them."""
import errno
import subprocess

import pytest

import pythons

VERSIONS = pytest.mark.parametrize("minor", ["3.9", "3.10", "3.11", "3.12", "3.13", "3.14", "3.15"])

BEGIN = """
import ctypes, sys, tracemalloc
def agent(path=None):
    library = ctypes.PyDLL(path)
    library.caulk_agent_start.argtypes = [ctypes.c_char_p]
    return library
class Allocator(ctypes.Structure):
    _fields_ = [(name, ctypes.c_void_p) for name in ("context", "malloc", "calloc", "realloc", "free")]
def allocator(domain=2):
    made = Allocator()
    ctypes.pythonapi.PyMem_GetAllocator(domain, ctypes.byref(made))
    return made
def is_samplers(function):
    for line in open("/proc/self/maps"):
        begin, end = (int(word, 16) for word in line.split()[0].split("-"))
        if begin <= function < end:
            return "libcaulk_agent" in line
def work():
    made = [[str(i) * 9, bytearray(i % 700), {i: (i, i * 1.5)}] for i in range(3000)]
    for one in made:
        one[1].extend(b"x" * 100)
    return len(made)
"""


def check(done, expected):
    assert (done.returncode, done.stdout) == (0, expected), done.stderr


@VERSIONS
def test_hooks_that_would_take_the_samplers_along_are_refused(sampled, library, minor):
    """tracemalloc.stop() puts back what it found, and a block of the range would come to an allocator that has none."""
    program = BEGIN + """
tracemalloc.start()
library = agent(sys.argv[1])
print(library.caulk_agent_start(b"budget=100 interval=2000"), work())
tracemalloc.stop()
print(work(), library.caulk_agent_start(b"budget=100 interval=2000"), work())
tracemalloc.start(); print(work()); tracemalloc.stop()
print(library.caulk_agent_stop(), work())
"""
    done = subprocess.run([pythons.need(minor), "-c", program, library], capture_output=True, text=True, timeout=120)
    check(done, "%d 3000\n3000 0 3000\n3000\n0 3000\n" % errno.EBUSY)


@VERSIONS
@pytest.mark.parametrize("words", ["interval=2000", "interval=2000 native=1", "interval=1"])
def test_hooks_above_stay_above(sampled, minor, words):
    """Stopped and started again below another's hooks, the sampler does not put itself on top of who calls it."""
    program = BEGIN + """
library = agent()
tracemalloc.start()
print(library.caulk_agent_stop(), work(), library.caulk_agent_start(b"budget=100 %s"), work())
tracemalloc.stop()
print(work(), library.caulk_agent_stop(), work(), library.caulk_agent_start(b"budget=100 %s"), work())
""" % (words, words)
    check(sampled.run(pythons.need(minor), program, words), "0 3000 0 3000\n3000 0 3000 0 3000\n")
    assert sampled.only().samples > 100


@VERSIONS
def test_a_tool_that_was_there_first_may_go_where_free_is_the_samplers(sampled, minor):
    program = BEGIN + """
print(tracemalloc.is_tracing(), work())
tracemalloc.stop()
print(work(), agent().caulk_agent_start(b"budget=100 interval=2000"), work())
"""
    done = sampled.run(pythons.need(minor), program, "interval=2000", environment={"PYTHONTRACEMALLOC": "3"})
    check(done, "True 3000\n3000 0 3000\n")
    assert sampled.only().samples > 100


@VERSIONS
@pytest.mark.parametrize("kind, is_hooked", [("pymalloc", False), ("malloc", False), ("debug", True)])
def test_pythons_own_free_is_left_alone_and_counts_right(sampled, minor, kind, is_hooked):
    """Preloaded, samples come back by the C library's free, and pymalloc's count of blocks stays what it would be."""
    program = BEGIN + """
now = allocator()
print(is_samplers(now.malloc), is_samplers(now.free))
before = sys.getallocatedblocks() if work() else 0
for _ in range(20):
    work()
print(abs(sys.getallocatedblocks() - before) < 2500)
"""
    done = sampled.run(pythons.need(minor), program, "interval=500", environment={"PYTHONMALLOC": kind})
    check(done, "True %s\nTrue\n" % is_hooked)
    assert sampled.only().samples > 20000
