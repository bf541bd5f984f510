"""What all tests of the Python side share: the binary, the Pythons, programs that are always ended."""
import os
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "support"))

import pythons  # noqa: E402
import target as targets  # noqa: E402

BUILD = os.environ.get("CAULK_BUILD") or os.path.dirname(os.environ.get("CAULK", "")) or os.path.join(pythons.ROOT, "build")


@pytest.fixture(scope="session")
def caulk():
    """Path of the program under test: $CAULK, else caulk in the build folder."""
    path = os.environ.get("CAULK", os.path.join(BUILD, "caulk"))
    if not os.access(path, os.X_OK):
        pytest.fail("no program at %s: build it first (make), or name it in $CAULK" % path, pytrace=False)
    return os.path.abspath(path)


@pytest.fixture(scope="session")
def dump_graph():
    """The test program that prints the graph of a process."""
    path = os.environ.get("CAULK_DUMP_GRAPH", os.path.join(BUILD, "tests", "cpython", "dump_graph"))
    if not os.access(path, os.X_OK):
        pytest.fail("no program at %s: build it first (make), or name it in $CAULK_DUMP_GRAPH" % path, pytrace=False)
    return os.path.abspath(path)


@pytest.fixture(scope="session", params=pythons.BUILDS)
def python(request):
    """Each Python of this machine in turn. One that is missing is skipped, and named at the end of the run."""
    found = pythons.find(request.param)
    if not found:
        pythons.MISSING.append(request.param)
        pytest.skip("CPython %s is not on this machine" % request.param)
    return found


@pytest.fixture(scope="session")
def python_with_programs(python):
    """The same, with Flask, SQLAlchemy and gunicorn."""
    try:
        return pythons.with_programs(python)
    except RuntimeError as error:
        pytest.skip("cannot install the target programs: %s" % error)


@pytest.fixture(scope="session")
def newest_python():
    """One Python for tests that need no more than one."""
    for minor in reversed(pythons.MINORS):
        found = pythons.find(minor)
        if found:
            return found
    pytest.fail("none of CPython %s is on this machine" % ", ".join(pythons.MINORS))


@pytest.fixture
def target(tmp_path):
    """Starts programs: target(argv, env=...). All of them are dead when the test is over."""
    started = []

    def start(argv, **more):
        log = str(tmp_path / ("target-%d.log" % len(started)))
        started.append(targets.Target([str(word) for word in argv], log, **more))
        return started[-1]

    yield start
    for one in started:
        one.stop()


def pytest_terminal_summary(terminalreporter):
    for minor in sorted(set(pythons.MISSING)):
        terminalreporter.write_line("NOT TESTED: CPython %s is not on this machine (name one in CAULK_PYTHON_%s)"
                                    % (minor, minor.replace(".", "_")), red=True)
