"""Stacks that are switched out by C code: what only a suspended greenlet holds is not garbage."""
import json
import os

import pytest

import deploy
import pythons
import target as targets

REQUIREMENTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "requirements.txt")


def with_greenlets(python, series=""):
    minor = pythons.minor_of(pythons.version_of(python))
    requirements = REQUIREMENTS.replace(".txt", "-greenlet-%s.txt" % series) if series else REQUIREMENTS
    try:
        return pythons.environment(python, requirements, "greenlets%s-%s" % (series, minor))
    except RuntimeError as error:
        pytest.skip("greenlet and gevent cannot be installed: %s" % error)


@pytest.fixture(scope="module")
def greenlet_python(python):
    return with_greenlets(python)


@pytest.fixture(scope="module")
def newest_greenlet_python(newest_python):
    return with_greenlets(newest_python)


# Five suspended stacks of two frames each; each has a list, a cycle and a chain in its locals.
GREENLETS = """
import gc, greenlet
class Local:
    pass
class Cycle:
    def __init__(self):
        self.self = self
def outer(number):
    outer_local = [Local() for _ in range(50)]
    inner(number)
    return outer_local
def inner(number):
    inner_local = {name: Local() for name in range(50)}
    cycles = [Cycle() for _ in range(50)]
    greenlet.getcurrent().parent.switch()
    return inner_local, cycles
GREENLETS = [greenlet.greenlet(outer) for _ in range(5)]
for number, one in enumerate(GREENLETS):
    one.switch(number)
del one
gc.collect()
"""


def paths_of(caulk, source, name):
    return [path["path"] for path in json.loads(
        deploy.call(caulk, "why", source, name, "--limit", "10000", "--json", "-").stdout)["paths"]]


@pytest.fixture
def snapshot(caulk, target, greenlet_python, tmp_path):
    """After the collector has run: what is there is alive."""
    process = target([greenlet_python, "-c", deploy.program(GREENLETS)])
    deploy.check_visit(caulk, process, tmp_path)
    return tmp_path / "deployed.caulk"


def test_what_a_suspended_greenlet_holds_is_alive(caulk, snapshot):
    assert deploy.count_of(caulk, snapshot, "Local") == 5 * 100
    assert deploy.count_of(caulk, snapshot, "Cycle") == 5 * 50
    for name, count in (("__main__.Local", 500), ("__main__.Cycle", 250)):
        paths = paths_of(caulk, snapshot, name)
        assert len(paths) == count
        assert [path for path in paths if "waiting for gc" in path] == []


def check_paths(caulk, source):
    """Each stack has fifty objects in a list of one function and fifty in a dict of the one that it called."""
    paths = paths_of(caulk, source, "__main__.Local")
    assert len(paths) == 500
    for number in range(5):
        begin = "__main__.GREENLETS[%d] local " % number
        for name in ("outer_local", "inner_local"):
            assert len([path for path in paths if path.startswith(begin + name + "[")]) == 50


def test_the_path_leads_through_the_greenlet(caulk, snapshot):
    check_paths(caulk, snapshot)


@pytest.mark.parametrize("minor, series", [("3.9", "1"), ("3.10", "1"), ("3.10", "2"), ("3.11", "2")])
def test_the_path_leads_through_a_greenlet_of_an_older_library(caulk, target, minor, series):
    """greenlet 1 has all in the object itself; 2 has it in a C++ object with other fields before it than 3."""
    check_paths(caulk, target([with_greenlets(pythons.need(minor), series), "-c", deploy.program(GREENLETS)]).pid)


# The main stack is switched out, and one of two greenlets is at work.
AT_WORK = """
import greenlet
class Waiting:
    pass
class Working:
    pass
def main():
    main_local = [Waiting() for _ in range(70)]
    greenlet.greenlet(work).switch()
    return main_local
def work():
    work_local = [Working() for _ in range(30)]
    MAIN.append(greenlet.getcurrent().parent)
    print("ready", flush=True)
    for line in sys.stdin:
        print("pong", flush=True)
MAIN = []
main()
"""


def test_the_stack_that_started_all_is_a_greenlet_too(caulk, target, greenlet_python):
    process = target([greenlet_python, "-c", deploy.program(AT_WORK)])
    waiting, working = (paths_of(caulk, process.pid, "__main__." + name) for name in ("Waiting", "Working"))
    assert len(waiting) == 70 and all(path.startswith("__main__.MAIN[0] ") for path in waiting)
    assert len([path for path in waiting if " local main_local[" in path]) >= 69  # a used up place of the stack has one
    assert len(working) == 30 and all(' frame work() local work_local[' in path for path in working)
    deploy.check_goes_on(process)


GEVENT = """
import gevent, gevent.fileobject, time
class Request:
    pass
class Order:
    pass
ORDERS = []
def worker():
    mine = [Request() for _ in range(20)]
    while mine:
        ORDERS.extend(Order() for _ in range(2))
        gevent.sleep(0.005)
WORKERS = [gevent.spawn(worker) for _ in range(20)]
print("ready", flush=True)
gevent.joinall(WORKERS)
"""


def test_a_leak_in_a_program_of_greenlets(caulk, target, newest_greenlet_python):
    process = target([newest_greenlet_python, "-c", GEVENT])
    answer = deploy.call(caulk, "leaks", process.pid, "--seconds", "8", "--json", "-", status=1)
    verdict = json.loads(answer.stdout)
    assert [finding["holder"]["path"] for finding in verdict["findings"]] == ["__main__.ORDERS"]
    assert deploy.count_of(caulk, process.pid, "Request") == 20 * 20
    assert [path for path in paths_of(caulk, process.pid, "__main__.Request") if "waiting for gc" in path] == []
    assert process.alive() and process.errors() == ""


PILE = """
import greenlet, time
class Body:
    pass
def handle():
    body = [Body() for _ in range(40)]
    greenlet.getcurrent().parent.switch()
    return body
PENDING = []
print("ready", flush=True)
while True:
    PENDING.append(greenlet.greenlet(handle))
    PENDING[-1].switch()
    time.sleep(0.002)
"""


@pytest.fixture(scope="module")
def verdict_on_the_pile(caulk, newest_greenlet_python, tmp_path_factory):
    process = targets.Target([newest_greenlet_python, "-c", PILE], str(tmp_path_factory.mktemp("pile") / "log"))
    try:
        verdict = json.loads(deploy.call(caulk, "leaks", process.pid, "--seconds", "8", "--json", "-", status=1).stdout)
        assert process.alive() and process.errors() == ""
    finally:
        process.stop()
    return verdict


def test_greenlets_that_are_never_resumed_are_a_leak(verdict_on_the_pile):
    assert "__main__.Body" in [grown["type"] for finding in verdict_on_the_pile["findings"] for grown in finding["grows"]]
    assert not any("cycle" in finding["kind"] for finding in verdict_on_the_pile["findings"])


def test_greenlets_that_are_never_resumed_are_named(verdict_on_the_pile):
    assert "__main__.PENDING" in [finding["holder"]["path"] for finding in verdict_on_the_pile["findings"]]
