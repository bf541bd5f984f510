"""Free-threaded builds: objects that threads make in parallel and leave behind, collections under way, debugging allocators."""
import json

import pytest

import deploy
import pythons

HELD, THREADS = 2000, 6


@pytest.fixture(scope="module", params=pythons.FLAVOURS)
def free_threaded(request):
    if not request.param.endswith("t"):
        pytest.skip("not a free-threaded build")
    return pythons.need(request.param)


# Each thread makes and drops rings, lists and dicts, one collects all the time; HELD objects were made by threads that
# have ended.
PARALLEL = """
import gc, threading
class Left: pass
class Ring: pass
LEFT = []
def leave():
    LEFT.extend([Left() for _ in range(%d)])
def work():
    kept = []
    while True:
        for number in range(100):
            a, b = Ring(), Ring()
            a.other, b.other = b, a
            kept.append([number, {number: str(number)}])
        del kept[:-50]
        time.sleep(0.001)
def collect():
    while True:
        gc.collect()
for _ in range(4):
    thread = threading.Thread(target=leave)
    thread.start()
    thread.join()
for _ in range(%d):
    threading.Thread(target=work, daemon=True).start()
threading.Thread(target=collect, daemon=True).start()
""" % (HELD // 4, THREADS)


def counts_of(caulk, pid):
    """Few holders: those of a heap that is mostly garbage are many, and each wants its path."""
    top = json.loads(deploy.call(caulk, "top", pid, "--limit", "300", "--json", "-").stdout)
    return {row["type"]: row["count"] for row in top["types"]}


def test_threads_in_parallel(caulk, target, free_threaded, tmp_path):
    """Every look succeeds, whatever the threads and the collector are at, and shows what has not changed."""
    process = target([free_threaded, "-c", deploy.program(PARALLEL)])
    for _ in range(8):
        counts = counts_of(caulk, process.pid)
        assert counts["__main__.Left"] == HELD and counts["__main__.Session"] == deploy.KEPT
    deploy.check_goes_on(process)


def test_the_build_is_told(caulk, target, free_threaded, tmp_path):
    process = target([free_threaded, "-c", deploy.program()])
    out = json.loads(deploy.call(caulk, "snapshot", process.pid, "-o", tmp_path / "a.caulk", "--json", "-").stdout)
    assert out["python"] == pythons.version_of(free_threaded) and out["python"].endswith("t")


@pytest.mark.parametrize("allocator", ["mimalloc", "mimalloc_debug"])
def test_allocators(caulk, target, free_threaded, tmp_path, allocator):
    """A debugging one puts two words in front of every block."""
    process = target([free_threaded, "-c", deploy.program()], env={"PYTHONMALLOC": allocator})
    out = json.loads(deploy.call(caulk, "snapshot", process.pid, "-o", tmp_path / "a.caulk", "--json", "-").stdout)
    assert out["gc_objects"] > 2 * deploy.KEPT  # each session and its __dict__ or values
    assert counts_of(caulk, process.pid)["__main__.Session"] == deploy.KEPT
    deploy.check_goes_on(process)
