"""Starts the programs under measurement, and measures from outside."""

import contextlib
import json
import os
import pathlib
import resource
import subprocess
import tempfile
import time

HERE = pathlib.Path(__file__).parent


class Program:
    """A target that answers questions; see answering.py."""

    def __init__(self, python, script, *arguments):
        self.process = subprocess.Popen(
            [str(python), str(HERE / script), *map(str, arguments)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.ready = self.process.stdout.readline().split()
        if not self.ready:
            raise RuntimeError("%s did not start" % script)
        self.pid = self.process.pid

    def ask(self, question):
        self.process.stdin.write(question + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def longest_gap(self, action):
        """The longest time in ms for which the target's ticking thread did not run during the action."""
        self.ask("mark")
        time.sleep(0.05)
        self.ask("mark")
        action()
        time.sleep(0.01)
        return float(self.ask("gap"))

    def resident(self):
        return status(self.pid, "VmRSS")

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


@contextlib.contextmanager
def program(python, script, *arguments):
    started = Program(python, script, *arguments)
    try:
        yield started
    finally:
        started.stop()


def status(pid, field):
    """A field of /proc/PID/status that is in kB, in bytes."""
    for line in pathlib.Path("/proc/%d/status" % pid).read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    return 0


def processor_seconds(pid):
    """User and system time of a process so far."""
    fields = pathlib.Path("/proc/%d/stat" % pid).read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def run(words, core=None, accepted=(0,)):
    """Runs a command; returns its output, seconds of the wall clock and seconds of processor time."""
    pin = ["taskset", "-c", str(core)] if core is not None else []
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begin = time.perf_counter()
    done = subprocess.run(pin + [str(word) for word in words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    seconds = time.perf_counter() - begin
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in accepted:
        raise RuntimeError("%s: status %d: %s" % (" ".join(map(str, words)), done.returncode, done.stderr.strip()[-500:]))
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return done.stdout, seconds, cpu


def pause_by_caulk(caulk, pid):
    return json.loads(run([caulk, "snapshot", pid, "--json", "-"])[0])["pause_ms"]


def gcore(pid):
    """Debian's gdb writes a whole core; nothing of it is kept."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        run(["gcore", "-o", os.path.join(folder, "core"), pid])
