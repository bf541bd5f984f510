"""What the tests of deployments share: the program that is deployed, and what must be true of a visit to it."""
import json
import os
import subprocess
import time

KEPT = 3000

# A program with a known heap, which says that it goes on by a line for each line it gets.
PROGRAM = """
import sys, time
class Session:
    def __init__(self, number):
        self.number = number
STORE = {number: Session(number) for number in range(%d)}
%%s
if __name__ == "__main__":
    print("ready", flush=True)
    for line in sys.stdin:
        print("pong", flush=True)
""" % KEPT


def program(extra=""):
    return PROGRAM % extra


def call(caulk, *words, status=0, notes=0):
    """What caulk prints; `notes` is how many lines it must say on stderr."""
    result = subprocess.run([caulk, *map(str, words)], capture_output=True, text=True, timeout=120)
    assert result.returncode == status, result
    assert result.stderr.count("\n") == notes, result
    return result


def count_of(caulk, source, name, **more):
    """How many live objects of the type `name` are in a process or a file."""
    top = json.loads(call(caulk, "top", source, "--limit", "100000", "--json", "-", **more).stdout)
    return sum(row["count"] for row in top["types"] if row["type"].rpartition(".")[2] == name)


def check_goes_on(process, pid=None):
    """It answers, and nothing of caulk is left in it."""
    pid = pid or process.pid
    process.send("ping")
    process.wait_line("pong", 20)
    with open("/proc/%d/status" % pid) as stream:
        assert "TracerPid:\t0" in stream.read()
    assert children_of(pid) == []
    assert process.alive() and process.errors() == ""


def children_of(pid):
    found = []
    for thread in os.listdir("/proc/%d/task" % pid):
        with open("/proc/%d/task/%s/children" % (pid, thread)) as stream:
            found += stream.read().split()
    return [int(child) for child in found]


def check_visit(caulk, process, tmp_path, pid=None, notes=0):
    """A snapshot file and a look at the process say the same of the store, doctor agrees, the process goes on."""
    pid = pid or process.pid
    path = tmp_path / "deployed.caulk"
    call(caulk, "doctor", pid)
    call(caulk, "snapshot", pid, "-o", path, notes=notes)
    assert count_of(caulk, path, "Session") == KEPT
    assert count_of(caulk, pid, "Session", notes=notes) == KEPT
    holders = json.loads(call(caulk, "why", path, "Session", "--json", "-").stdout)["paths"]
    assert holders and all("STORE" in holder["path"] for holder in holders)
    check_goes_on(process, pid)


def child_of(pid, timeout=20):
    """The only child of a process, once there is one."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        found = children_of(pid)
        if len(found) == 1:
            return found[0]
        time.sleep(0.02)
    raise AssertionError("process %d has no child" % pid)
