"""Objects that are born from CPython's free lists are sampled as likely as others, and booked on their own line."""
import json
import math
import os
import subprocess

import pytest

from sampled import Sampled, check_sums, live_in

PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "births_program.py")


def measure(python, sampled, kind, interval, count, **environment):
    """(true bytes, estimate for the function that leaks, for the other one)"""
    done = subprocess.run([python, PROGRAM, kind, str(count)], env=sampled.environment("interval=%d" % interval, **environment),
                          capture_output=True, text=True, check=True)
    found = sampled.only()
    check_sums(found)
    return int(done.stdout), live_in(found, "remember")[0], live_in(found, "handle")[0]


def deviation(truth, interval):
    """Of the estimate, which is a Poisson sample of so many bytes."""
    return math.sqrt(truth * interval)


@pytest.mark.parametrize("kind", ["float", "tuple", "list"])
def test_a_leak_from_free_lists_is_estimated_and_blamed(python_with_gil, sampled, kind):
    interval = 3000
    truth, leaked, innocent = measure(python_with_gil, sampled, kind, interval, 15000)
    # One run in 500 million is outside of six deviations, and what a chance of one in twenty for each block leaves of bias.
    assert abs(leaked - truth) < 6 * deviation(truth, interval) + 0.02 * truth
    assert innocent < 0.03 * truth + 10 * interval


IDLE = """
import os
KEPT = [None] * 15000
def remember(period):
    passing = []
    for i in range(50):
        KEPT[50 * period + i] = (i, period, 1, 2, 3, 4, 5)
        passing.append((period, i, 1, 2, 3, 4, 5))
    return passing
for period in range(300):
    passing = None
    for _ in range(100): bytes(2000)
    passing = remember(period)
os._exit(0)
"""


def test_births_from_a_list_that_lies_idle_meanwhile(python_with_gil, sampled):
    """Half of the blocks come from the free list, onto which they were put 25 samples before."""
    interval, truth = 8000, 15000 * (16 + 24 + 7 * 8)
    sampled.run(python_with_gil, IDLE, "interval=%d" % interval)
    found = sampled.only()
    check_sums(found)
    kept, = [values[0] for (_, name, line), values in found.lines().items() if (name, line) == ("remember", 7)]
    assert abs(kept - truth) < 6 * deviation(truth, interval) + 0.02 * truth


DICTS_INTERVAL = 3000


def check_dicts(truth, leaked, innocent, interval=DICTS_INTERVAL):
    assert abs(leaked - truth) < 6 * deviation(truth, interval) + 0.03 * truth
    assert innocent < 0.03 * (leaked + innocent)


def test_a_leak_of_dicts_is_estimated_and_blamed(python_with_gil, library, tmp_path):
    """Births of tables are counted where their dict was born. Five runs, each with a chance of its own."""
    for number in range(5):
        folder = tmp_path / str(number)
        folder.mkdir()
        check_dicts(*measure(python_with_gil, Sampled(library, folder), "dict", DICTS_INTERVAL, 8000))


@pytest.mark.parametrize("allocator", ["malloc", "debug", "malloc_debug"])
def test_other_allocators_serve_births(python_with_gil, sampled, allocator):
    """Those that check what they are given back end the program when a block comes back as another domain's."""
    check_dicts(*measure(python_with_gil, sampled, "dict", DICTS_INTERVAL, 8000, PYTHONMALLOC=allocator))


CHURN = """
import gc, sys
def churn(rounds):
    kept = []
    for i in range(rounds):
        {"a": i, "b": {"c": i}}
        kept.append({"k": i})
        if i % 7 == 0:
            grown = {}
            for j in range(9):
                grown["x%d" % j] = {"y": j}
            grown.clear()
            grown["z"] = i
        if i % 500 == 0:
            gc.collect()
            del kept[:100]
    return len(kept)
"""
CHECKED_TO_THE_END = CHURN + """
print(churn(6000))
"""


@pytest.mark.parametrize("words", ["interval=60", "interval=60 native=1", "interval=3000"])
def test_lists_that_grow_and_are_emptied_are_left_in_order(python_with_gil, sampled, words):
    """Under an allocator that checks all that comes back, to the end of the interpreter."""
    done = sampled.run(python_with_gil, CHECKED_TO_THE_END, words, environment={"PYTHONMALLOC": "debug"})
    assert (done.returncode, done.stdout, done.stderr) == (0, "4899\n", "")  # of 6000 one, then eleven times a hundred are let go
    check_sums(sampled.only())


NEST = """
import os, threading
def work():
    inner = {}
    for _ in range(200000):
        inner = {"a": inner}
    inner = {}
    for i in range(200000):
        inner = {"a": [inner], "b": (inner,)} if i % 3 else {"a": inner}
    inner = None
def work_in_a_child():
    pid = os.fork()
    if not pid:
        work()
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
def in_a_thread(size, target):
    threading.stack_size(size)
    thread = threading.Thread(target=target)
    thread.start()
    thread.join()
work()
in_a_thread(1 << 20, work)
in_a_thread(2 << 20, work_in_a_child)
print("done")
"""


@pytest.mark.parametrize("python", ["3.12", "3.13", "3.14", "3.15"], indirect=True)  # each has a way of its own
@pytest.mark.parametrize("words", ["interval=100", ""])
def test_deep_nests_of_dicts_end(python_with_gil, sampled, words):
    """Python ends what lies too deep later, so that a small stack is enough."""
    done = sampled.run(python_with_gil, NEST, words)
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr


ELSEWHERE = """
import ctypes, mmap, threading
SIZE = 1 << 20
library = ctypes.PyDLL(None)
room = mmap.mmap(-1, SIZE)  # before there is a thread: above its stack
begin = ctypes.addressof(ctypes.c_char.from_buffer(room))
here, there = (ctypes.c_uint64 * 512)(), (ctypes.c_uint64 * 512)()
def work():
    inner = {}
    for i in range(200000):
        inner = {"a": [inner], "b": (inner,)} if i % 3 else {"a": inner}
    inner = None
    print("done", any(room[SIZE * 9 // 10:]), any(room[:SIZE // 8]))
called = ctypes.CFUNCTYPE(None)(work)
def switch():
    library.getcontext(there)
    there[1], there[2], there[4] = ctypes.addressof(here), begin, SIZE  # ucontext.h: uc_link, uc_stack
    library.makecontext(there, called, 0)
    assert library.swapcontext(here, there) == 0
threading.stack_size(8 << 20)
thread = threading.Thread(target=switch)
thread.start()
thread.join()
"""


@pytest.mark.parametrize("python", ["3.9", "3.11", "3.12", "3.13"], indirect=True)
@pytest.mark.parametrize("words", ["interval=100", ""])
def test_deep_nests_end_on_a_stack_that_is_no_threads(python_with_gil, sampled, words):
    """As some coroutines have one."""
    done = sampled.run(python_with_gil, ELSEWHERE, words)
    assert (done.returncode, done.stdout) == (0, "done True False\n"), done.stderr


AT_ONCE = """
import os, sys
KEPT = [None] * 8000
def handle(i):
    for _ in range(4):
        {"a": i}
def remember(i):
    KEPT[i] = {"k": i}
for i in range(8000):
    handle(i)
    remember(i)
print(sum(map(sys.getsizeof, KEPT)), flush=True)
os._exit(0)
"""


@pytest.mark.parametrize("interval", [300, DICTS_INTERVAL])
def test_a_birth_that_ends_at_once_is_no_chance_for_the_next(python_with_gil, sampled, interval):
    """Of a table nothing is known but its size until another block is asked for; this one dies before."""
    done = sampled.run(python_with_gil, AT_ONCE, "interval=%d" % interval)
    found = sampled.only()
    check_sums(found)
    check_dicts(int(done.stdout), live_in(found, "remember")[0], live_in(found, "handle")[0], interval)


TWO_INTERPRETERS = """
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters
import os, sys, threading
KEPT = [None] * 8000
def remember(i):
    KEPT[i] = {"k": i}
def handle(i):
    return {"a": i, "b": {"c": i}}
ready, begun = os.pipe()
def run():
    interpreters.run_string(interpreters.create(), %r + "import os, time\\nos.write(%%d, b'x')\\nwhile True:\\n    churn(200)\\n    time.sleep(0)" %% begun)
threading.Thread(target=run, daemon=True).start()
os.read(ready, 1)
for i in range(8000):
    handle(i)
    remember(i)
print(sum(map(sys.getsizeof, KEPT)), flush=True)
os._exit(0)
""" % CHURN


def test_lists_of_another_interpreter_are_let_alone(python_with_gil, sampled):
    """It has lists of its own from 3.12 on, and may run at the same time."""
    if subprocess.run([python_with_gil, "-c", TWO_INTERPRETERS], capture_output=True, timeout=60).returncode:
        pytest.skip("this Python's own subinterpreters do not run the program")
    done = sampled.run(python_with_gil, TWO_INTERPRETERS, "interval=%d" % DICTS_INTERVAL)
    assert done.returncode == 0, done.stderr
    found = sampled.only()
    check_sums(found)
    check_dicts(int(done.stdout), live_in(found, "remember")[0], live_in(found, "handle")[0])


STARTED = """
import ctypes, os, sys
agent = ctypes.PyDLL(sys.argv[1])
KEPT = [None] * 8000
def handle(i):
    return {"a": i, "b": {"c": i}}
def remember(i):
    KEPT[i] = {"k": i}
assert agent.caulk_agent_start(("file=%s/r.%%p budget=100 %s" % tuple(sys.argv[2:])).encode()) == 0
for _ in range(50 if sys.version_info < (3, 10) else 0):
    {}  # these tell where the lists are
for i in range(8000):
    handle(i)
    remember(i)
print(sum(map(sys.getsizeof, KEPT)), flush=True)
os._exit(0)
"""


@pytest.mark.parametrize("words", ["", " native=1"])
def test_births_in_a_process_that_runs_already(python_with_gil, library, tmp_path, words):
    """Where the lists are is found out without the deaths of a start."""
    done = subprocess.run([python_with_gil, "-c", STARTED, library, str(tmp_path), "interval=%d%s" % (DICTS_INTERVAL, words)],
                          capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    found = Sampled(library, tmp_path).only()
    check_sums(found)
    check_dicts(int(done.stdout), live_in(found, "remember")[0], live_in(found, "handle")[0])


CYCLES = CHURN + """
import ctypes
agent = ctypes.PyDLL(sys.argv[1])
words = ("file=%s/r.%%p interval=200" % sys.argv[2]).encode()
def deallocator():
    return ctypes.c_void_p.from_address(id(dict) + 6 * 8).value
plain = deallocator()
for _ in range(20):
    assert agent.caulk_agent_start(words) == 0
    assert deallocator() != plain
    churn(800)
    assert agent.caulk_agent_stop() == 0
    assert deallocator() == plain
    churn(800)
print("done")
"""


@pytest.mark.parametrize("allocator", ["pymalloc", "debug"])
def test_what_was_watched_is_as_before_when_sampling_stops(python_with_gil, library, tmp_path, allocator):
    done = subprocess.run([python_with_gil, "-c", CYCLES, library, str(tmp_path)], capture_output=True, text=True, timeout=100,
                          env=dict(os.environ, PYTHONMALLOC=allocator))
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr
    check_sums(Sampled(library, tmp_path).only())


@pytest.mark.parametrize("kind", ["float", "tuple", "list", "dict"])
def test_every_birth_is_counted(python_with_gil, sampled, kind):
    truth, leaked, innocent = measure(python_with_gil, sampled, kind, 1, 3000)
    assert leaked == pytest.approx(truth, abs=1000)  # to 3.10 a frame is kept too
    assert innocent < 1000


ARITHMETIC = """
import gc, os
def keep(kept):
    for i in range(50):
        kept.append(i * 1.5)
def noise():
    for i in range(200):
        x = i * 0.5
        x * 2.0 + (x + 1.0) * 3.0
kept = []
for _ in range(10):
    noise()
    gc.collect()
    noise()
    keep(kept)
os._exit(0)
"""


def test_floats_that_arithmetic_uses_up_are_counted_one_by_one(python_with_gil, sampled):
    """The interpreter frees some of them by itself; a collection empties the free lists."""
    sampled.run(python_with_gil, ARITHMETIC, "interval=1")
    found = sampled.only()
    bytes_kept, count = live_in(found, "keep")
    # `kept` has its items in one more block; what it had before was freed.
    assert 500 <= count <= 501 and 24 * 500 <= bytes_kept < 24 * 500 + 8 * 700
    assert live_in(found, "noise") == (0, 0)


FORGETS = """
import ctypes, time
take = ctypes.pythonapi.Py_IncRef
take.argtypes, take.restype = [ctypes.py_object], None
def forget(number):
    take(b"%08d" % number * 20)
print("ready", flush=True)
number = 0
while True:
    for _ in range(10):
        number += 1
        forget(number)
    time.sleep(0.005)
"""


def test_forgotten_objects_are_found_among_the_sampler_s_blocks(newest_python, sampled, caulk):
    """Every block is the sampler's, and nothing but C code's reference leads to these."""
    process = subprocess.Popen([newest_python, "-c", FORGETS], env=sampled.environment("interval=1"), stdout=subprocess.PIPE)
    try:
        process.stdout.readline()
        done = subprocess.run([caulk, "leaks", str(process.pid), "--seconds", "4", "--json", "-"], capture_output=True, text=True)
    finally:
        process.kill()
        process.wait()
    finding = json.loads(done.stdout)["findings"][0]
    assert done.returncode == 1 and finding["kind"] == "refcount-leak", done.stdout
