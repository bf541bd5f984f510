"""Objects that are born from CPython's free lists are sampled as likely as others, and booked on their own line."""
import json
import math
import os
import subprocess

import pytest

from sampled import Sampled, check_sums, live_in

PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "births_program.py")


def measure(python, sampled, kind, interval, count):
    """(true bytes, estimate for the function that leaks, for the other one)"""
    done = subprocess.run([python, PROGRAM, kind, str(count)], env=sampled.environment("interval=%d" % interval),
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


DICTS_INTERVAL = 3000
# Births of tables are counted where their dict was born; from 3.13 on, those from the free list are not counted.
TABLES_TOO, OBJECTS_ONLY = ("3.9", "3.10", "3.11", "3.12"), ("3.13", "3.14", "3.15")


@pytest.fixture
def dicts(python, library, tmp_path):
    """Of five runs, each with a chance of its own: what measure() says of a leak of small dicts beside garbage of dicts."""
    measured = []
    for number in range(5):
        folder = tmp_path / str(number)
        folder.mkdir()
        measured.append(measure(python, Sampled(library, folder), "dict", DICTS_INTERVAL, 8000))
    return measured


@pytest.mark.parametrize("python", TABLES_TOO, indirect=True)
def test_a_leak_of_dicts_is_estimated_and_blamed(dicts):
    for truth, leaked, innocent in dicts:
        assert abs(leaked - truth) < 6 * deviation(truth, DICTS_INTERVAL) + 0.03 * truth, dicts
        assert innocent < 0.03 * (leaked + innocent), dicts


@pytest.mark.parametrize("python", OBJECTS_ONLY, indirect=True)
def test_a_leak_of_dicts_is_blamed_and_its_objects_are_estimated(dicts):
    for truth, leaked, innocent in dicts:
        objects = truth * 64 / 184  # a dict, with the collector's head, and its table of eight slots for keys that are str
        assert leaked > objects - 6 * deviation(objects, DICTS_INTERVAL) - 0.02 * objects, dicts
        assert leaked < truth + 6 * deviation(truth, DICTS_INTERVAL) + 0.02 * truth, dicts
        assert innocent < 0.03 * leaked + 10 * DICTS_INTERVAL, dicts


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
