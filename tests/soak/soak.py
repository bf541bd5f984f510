"""What the soak tests share: a server under load, how it must look when nobody is at it, and how a test is run by hand."""
import argparse
import os
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "support"))

import load as loads  # noqa: E402
import pythons  # noqa: E402
import target as targets  # noqa: E402


class Service:
    """The server, its load, and the state it had before anybody looked at it."""

    def __init__(self, python, log, pause=0.003):
        self.process = targets.Target([python, os.path.join(HERE, "server.py")], log)
        self.pid, self.port = self.process.pid, int(self.process.greeting.split()[1])
        self.load = loads.Load(self.port, lambda number: "/work/%d" % number, connections=3, pause=pause)
        with self.load:
            time.sleep(1.0)
        self.before = self.quiet_state()
        self.load = loads.Load(self.port, lambda number: "/work/%d" % number, connections=3, pause=pause)

    def __enter__(self):
        self.load.__enter__()
        return self

    def __exit__(self, *exception):
        self.load.__exit__()
        self.process.stop()

    def interrupted(self):
        """How many calls of each kind were made and how many of them failed with EINTR, as the server counts them."""
        return loads.get_json(self.port, "/interrupted")

    def quiet_state(self):
        """Descriptors, threads, mappings once the connections of the load are closed."""
        state = None
        for _ in range(50):
            time.sleep(0.1)
            earlier, state = state, loads.get_json(self.port, "/status")
            if earlier == state and state["threads"] <= 3 + state["waiters"]:
                return state
        return state

    def serves(self):
        """Fails unless a request is answered now."""
        number = self.load.answered
        answer = loads.get_json(self.port, "/work/%d" % number, timeout=10)
        assert answer["number"] == number

    def check_load(self):
        assert not self.load.failures, self.load.failures[:5]
        assert set(self.load.statuses) <= {200}, self.load.statuses

    def children(self):
        return targets.children_of(self.pid)

    def check_unharmed(self):
        """To be called with the load stopped: nothing is left in the server."""
        assert self.process.alive(), self.process.errors()
        after = self.quiet_state()
        children = self.children()
        assert not children, "children left: %s" % children
        assert after["waitable"] is None, "the server still has a child to wait for"
        for key in ("descriptors", "threads"):
            assert after[key] == self.before[key], (key, self.before, after)
        assert after["mappings"] <= self.before["mappings"] + 12, (self.before, after)
        assert traced_by(self.pid) == {0}, "somebody still traces the server"
        assert not stopped_tasks(self.pid), "threads are stopped: %s" % stopped_tasks(self.pid)
        assert not self.process.errors(), self.process.errors()


def tasks_of(pid):
    return [int(name) for name in os.listdir("/proc/%d/task" % pid)]


def task_field(pid, task, name):
    try:
        with open("/proc/%d/task/%d/status" % (pid, task)) as stream:
            return next(line.split()[1] for line in stream if line.startswith(name + ":"))
    except OSError:
        return None


def traced_by(pid):
    return {int(value) for value in (task_field(pid, task, "TracerPid") for task in tasks_of(pid)) if value is not None}


def stopped_tasks(pid):
    return [task for task in tasks_of(pid) if task_field(pid, task, "State") in ("t", "T")]


def arguments(text, count):
    """The options that every soak test has."""
    parser = argparse.ArgumentParser(description=text.splitlines()[0])
    parser.add_argument("--count", type=int, default=count)
    parser.add_argument("--caulk", default=os.path.join(HERE, "../../build/caulk"))
    parser.add_argument("--python", default=sys.executable, help="a program, or a version such as 3.11")
    return parser


def show_figures(parser, test):
    """Prints what test(options, caulk, python, count, folder) returns."""
    options = parser.parse_args()
    python = pythons.find(options.python) if options.python in pythons.MINORS else options.python
    if not python:
        print("no Python %s on this machine: skipped" % options.python)
        return
    with tempfile.TemporaryDirectory() as folder:
        figures = test(options, os.path.abspath(options.caulk), python, options.count, folder)
        print(pythons.version_of(python), figures, flush=True)
