"""A foreign C type that a user describes in a file: an extension made here, whose objects hide what they hold."""
import json
import os
import subprocess

import pythons
import pytest

HERE = os.path.dirname(os.path.abspath(__file__))

DESCRIPTION = """
type     ringlib.Ring  size 72
object   16  owner
objects  24  count 32  slots
list     40  next 0  object 8  size 16  pending
block    48  count 56  unit 8
borrowed 64  parent
"""

PROGRAM = """
import ringlib, sys
class Owner: pass
class Slot: __slots__ = ()
class Pending: __slots__ = ()
class Parent: __slots__ = ()
class Child(ringlib.Ring): pass
parents = [Parent()]
RINGS = [kind(Owner(), [Slot() for _ in range(30)], [Pending() for _ in range(20)], 1000, parents[0])
         for kind in (ringlib.Ring, Child) for _ in range(50)]
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def extension(newest_python, tmp_path_factory):
    """The folder that the extension can be imported from."""
    folder = tmp_path_factory.mktemp("ringlib")
    ask = "import sysconfig; print(sysconfig.get_path('include'))"
    include = subprocess.run([newest_python, "-c", ask], capture_output=True, text=True, check=True).stdout.strip()
    if not os.path.exists(os.path.join(include, "Python.h")):
        pytest.skip("%s has no Python.h" % newest_python)
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-I", include, "-idirafter", os.path.dirname(include), os.path.join(HERE, "ringlib.c"),
                    "-o", str(folder / "ringlib.so")], check=True)
    return folder


@pytest.fixture
def rings(target, newest_python, extension):
    return target([newest_python, "-c", PROGRAM], env={"PYTHONPATH": str(extension)})


def run(caulk, *words, home=None):
    environment = dict(os.environ, HOME=str(home or "/nonexistent"))
    environment.pop("XDG_CONFIG_HOME", None)
    return subprocess.run([caulk, *map(str, words)], capture_output=True, text=True, timeout=120, env=environment)


def rows(caulk, *words, home=None):
    done = run(caulk, "top", "--limit", "500", "--json", "-", *words, home=home)
    assert done.returncode == 0, done.stderr
    table = json.loads(done.stdout)
    return table, {row["type"].rpartition(".")[2]: row for row in table["types"]}


def test_what_hides_behind_pointers_is_seen_once_it_is_described(caulk, rings, tmp_path):
    path = tmp_path / "ring.types"
    path.write_text(DESCRIPTION)
    plain, before = rows(caulk, rings.pid)
    taught, after = rows(caulk, "--types", path, rings.pid)
    assert before["Ring"]["count"] == after["Ring"]["count"] == 50 and after["Child"]["count"] == 50
    assert after["Slot"]["count"] == 3000 and after["Pending"]["count"] == 2000 and after["Owner"]["count"] == 100
    assert before["Ring"]["bytes"] < 50 * 200
    assert after["Ring"]["bytes"] - before["Ring"]["bytes"] == 50 * (30 * 8 + 20 * 16 + 1000 * 8)
    unexplained = [table["snapshot"]["coverage"]["refcounts_checked"] - table["snapshot"]["coverage"]["refcounts_explained"]
                   for table in (plain, taught)]
    assert unexplained[1] < unexplained[0]

    why = run(caulk, "why", rings.pid, "Slot", "--types", path, "--json", "-")
    paths = [one["path"] for one in json.loads(why.stdout)["paths"]]
    assert any("RINGS" in path for path in paths), paths
    owner = run(caulk, "why", rings.pid, "Owner", "--types", path, "--json", "-")
    assert any(".owner" in one["path"] for one in json.loads(owner.stdout)["paths"]), owner.stdout


def test_a_file_in_the_users_folder_is_read_by_itself(caulk, rings, tmp_path):
    (tmp_path / ".config" / "caulk").mkdir(parents=True)
    (tmp_path / ".config" / "caulk" / "types").write_text(DESCRIPTION)
    _, types = rows(caulk, rings.pid, home=tmp_path)
    assert types["Pending"]["count"] == 2000


def test_a_wrong_file_is_refused_in_one_line(caulk, rings, tmp_path):
    path = tmp_path / "bad.types"
    path.write_text(DESCRIPTION + "objekt 24 slots\n")
    for words in (("top", rings.pid), ("snapshot", rings.pid, "-o", tmp_path / "none.caulk"), ("leaks", rings.pid, "--seconds", 1)):
        done = run(caulk, *words, "--types", path)
        assert done.returncode == 64 and done.stdout == "", done
        assert done.stderr.count("\n") == 1 and "bad.types: line 8: no such field" in done.stderr
    assert not (tmp_path / "none.caulk").exists()
    done = run(caulk, "top", rings.pid, "--types", tmp_path / "absent")
    assert done.returncode == 64 and "absent" in done.stderr and done.stderr.count("\n") == 1


def test_lies_about_a_type_do_no_harm(caulk, rings, tmp_path):
    """Offsets of other words, counts that are pointers, chains that are none: numbers may be wrong, nothing breaks."""
    path = tmp_path / "lies.types"
    path.write_text("type ringlib.Ring\nobjects 24 count 48 a\nlist 16 next 0 object 8 size 64 b\nlist 48 next 0 object 0 size 8 c\n"
                    "block 24 count 40 unit 4096\nobject 56 d\nobject 32 e\ntext 48\n")
    _, types = rows(caulk, "--types", path, rings.pid)
    assert types["Ring"]["count"] == 50


NUMPY = """
import numpy, sys
base = numpy.zeros(100000)
VIEWS = [base[n:n + 10] for n in range(200)]
class Thing: pass
THINGS = numpy.array([[Thing() for _ in range(20)] for _ in range(5)], dtype=object)
print("ready", flush=True)
sys.stdin.read()
"""


def test_arrays_of_numpy_name_their_base(caulk, target, python_with_numpy):
    arrays = target([python_with_numpy, "-c", NUMPY])
    done = run(caulk, "why", arrays.pid, "ndarray", "--json", "-", "--limit", 10)
    paths = [one["path"] for one in json.loads(done.stdout)["paths"]]
    assert any(".base" in path or path.endswith("base") for path in paths), paths
    things = run(caulk, "why", arrays.pid, "__main__.Thing", "--json", "-")
    assert any("THINGS[" in one["path"] for one in json.loads(things.stdout)["paths"]), things.stdout
    _, types = rows(caulk, arrays.pid)
    assert 800000 <= types["ndarray"]["bytes"] < 900000


@pytest.fixture
def python_with_numpy():
    for minor in reversed(pythons.MINORS):
        found = pythons.find(minor)
        if found and subprocess.run([found, "-c", "import numpy"], capture_output=True).returncode == 0:
            return found
    pytest.skip("no Python here has numpy")
