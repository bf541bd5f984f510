"""What all tests of the Python side share: the binary, the Pythons, programs that are always ended."""
import glob
import os
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "support"))

import built  # noqa: E402
import pythons  # noqa: E402
import target as targets  # noqa: E402


@pytest.fixture(scope="session")
def caulk():
    """Path of the program under test."""
    return built.find("CAULK", "caulk")


@pytest.fixture(scope="session")
def dump_graph():
    """The test program that prints the graph of a process."""
    return built.find("CAULK_DUMP_GRAPH", "tests", "cpython", "dump_graph")


@pytest.fixture(scope="session", params=pythons.BUILDS)
def python(request):
    """Each Python of this machine in turn. One that is missing is skipped, and named at the end of the run."""
    return pythons.need(request.param)


@pytest.fixture(scope="session")
def python_with_gil(python):
    """The same without the free-threaded builds, which are not sampled."""
    if pythons.is_free_threaded(python):
        pytest.skip("free-threaded builds are not sampled")
    return python


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


@pytest.fixture(params=("3.9", "newest"))
def any_python(request, newest_python):
    """The oldest and the newest, for tests that need no more than these."""
    return newest_python if request.param == "newest" else pythons.need(request.param)


@pytest.fixture(params=("libjemalloc.so.2", "libmimalloc.so.*", "libtcmalloc_minimal.so.4"))
def other_allocator(request):
    """A library with another malloc, to be preloaded."""
    found = glob.glob("/usr/lib/*/" + request.param)
    return found[0] if found else pytest.skip("no %s on this machine" % request.param)


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
