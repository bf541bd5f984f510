"""Start a program, wait until it says that it is ready, and be sure that it ends."""
import os
import selectors
import signal
import subprocess
import time

TREE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class Target:
    """A child that prints a line beginning with "ready" and lives until it is stopped.

    It leads a process group of its own, so that its workers end with it. What it writes to stderr goes to a
    file, so that a talkative program never blocks."""

    def __init__(self, argv, log, env=None, cwd=None, timeout=60.0):
        self.log = log
        environment = dict(os.environ, PYTHONUNBUFFERED="1", PYTHONDONTWRITEBYTECODE="1")
        environment.update(env or {})
        with open(log, "wb") as stderr:
            self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr,
                                            env=environment, cwd=cwd, start_new_session=True, bufsize=0)
        self.pid = self.process.pid
        self._buffer = b""
        try:
            self.greeting = self.wait_line("ready", timeout)
        except BaseException:
            self.stop()
            raise

    def wait_line(self, prefix, timeout=60.0):
        """The rest of the next line that begins with `prefix`; other lines are skipped."""
        deadline = time.monotonic() + timeout
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            while True:
                while b"\n" in self._buffer:
                    line, self._buffer = self._buffer.split(b"\n", 1)
                    if line.decode(errors="replace").startswith(prefix):
                        return line.decode(errors="replace")[len(prefix):].strip()
                left = deadline - time.monotonic()
                if left <= 0 or not selector.select(left):
                    raise AssertionError("no line %r within %g s; stderr: %s" % (prefix, timeout, self.errors()))
                data = os.read(self.process.stdout.fileno(), 65536)
                if not data:
                    raise AssertionError("target ended before the line %r; stderr: %s" % (prefix, self.errors()))
                self._buffer += data

    def send(self, line):
        self.process.stdin.write(line.encode() + b"\n")

    def errors(self):
        with open(self.log, errors="replace") as stream:
            return stream.read()[-4000:]

    def alive(self):
        return self.process.poll() is None

    def stop(self):
        """Kills the whole group and reaps the child; safe to call twice."""
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


def children_of(pid):
    """Pids of the living and dead children of a process: {pid: state letter}."""
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            fields = stat_fields(int(name))
            if fields and int(fields[1]) == pid:
                found[int(name)] = fields[0]
    return found


def stat_fields(pid):
    """/proc/PID/stat from the state letter on, or None if there is no such process."""
    try:
        with open("/proc/%d/stat" % pid) as stream:
            return stream.read().rpartition(")")[2].split()
    except OSError:
        return None


def resident_kib(pid):
    with open("/proc/%d/status" % pid) as stream:
        for line in stream:
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
    return 0
