"""Debug builds, early and late releases: each is read as exactly as the Python that the other tests take. Those that
tools/fetch-pythons --all has not brought are skipped, and named at the end of the run."""
import os
import re
import subprocess

import oracle
import pytest
import pythons
import target as targets

HERE = os.path.dirname(os.path.abspath(__file__))
UNSUPPORTED = 68


@pytest.mark.parametrize("name", pythons.OTHERS)
def test_a_heap_is_read_exactly(name, dump_graph, tmp_path):
    python = pythons.need_fetched(name)
    target = targets.Target([python, os.path.join(HERE, "heap_target.py")], str(tmp_path / "stderr"))
    try:
        report = oracle.compare(target, dump_graph, str(tmp_path / "oracle.bin"))
    finally:
        target.stop()
    figures = report.figures
    assert figures["objects in gc"] > 30000
    assert figures["objects in graph"] == figures["objects in gc"], report
    assert figures["wrong types"] == 0, report
    assert figures["recall"] >= 0.999 and figures["precision"] >= 0.995, report
    assert figures["counts right"] >= 0.995, report
    assert figures["sizes right, collected"] == 1, report


@pytest.mark.parametrize("name", [name for name in pythons.OTHERS if re.match(r"3\.1[2-9]d", name)])
def test_a_debug_build_is_called_one(name, caulk, target, tmp_path):
    """Before 3.12 its structures are those of a release, and nothing tells it apart."""
    python = pythons.need_fetched(name)
    one = target([python, "-c", "print('ready', flush=True); input()"])
    done = subprocess.run([caulk, "snapshot", str(one.pid), "-o", str(tmp_path / "one.caulk")], capture_output=True, text=True,
                          timeout=60)
    assert done.returncode == 0, done.stderr
    assert pythons.version_of(python) + " " in done.stdout + done.stderr
    assert pythons.version_of(python).endswith("d")


@pytest.fixture(scope="module")
def linking_all_objects():
    return pythons.need_fetched("3.11r@bookworm", "CAULK_PYTHON_3_11r")


def test_a_build_that_links_all_objects_is_refused(caulk, target, linking_all_objects, tmp_path):
    """Before 3.13 it has two more words in the head of each object: nothing is where it is looked for."""
    text = "import time\nprint('ready', flush=True)\nkept = []\nwhile True:\n    kept.append([1])\n    time.sleep(0.001)"
    one = target([linking_all_objects, "-c", text])
    for words in (["snapshot", "-o", tmp_path / "one.caulk"], ["top"], ["leaks", "--seconds", "2"], ["attach"]):
        done = subprocess.run([caulk, words[0], str(one.pid), *map(str, words[1:])], capture_output=True, text=True, timeout=60)
        assert done.returncode == UNSUPPORTED and done.stdout == "", done
        assert done.stderr.count("\n") == 1 and "--with-trace-refs" in done.stderr, done
    assert not (tmp_path / "one.caulk").exists()
    assert one.alive() and one.errors() == ""


def test_a_build_that_links_all_objects_runs_unchanged(caulk, linking_all_objects):
    """The sampler must not write into structures that it does not know."""
    text = "kept = [[float(number)] for number in range(100000)]\nprint(sum(map(sum, kept)))"
    for options in ([], ["--every-byte"]):
        done = subprocess.run([caulk, "run", *options, "--python", linking_all_objects, "-c", text], capture_output=True, text=True,
                              timeout=60)
        assert (done.returncode, done.stdout) == (0, "4999950000.0\n"), done
        assert "no Python was seen" in done.stderr
