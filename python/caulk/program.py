"""The program caulk, run on this very process."""
import ctypes
import json
import os
import re
import shutil
import subprocess

PACKAGE = os.path.dirname(os.path.abspath(__file__))
TREE = os.path.dirname(os.path.dirname(PACKAGE))

SET_PTRACER = 0x59616D61  # prctl: who may look into this process, where only parents may
NO_LEAK, LEAK, INCONCLUSIVE = 0, 1, 2


class CaulkError(RuntimeError):
    """What caulk said when it could not do it."""


def beside(name):
    """The path of a file that was built: in the installed package, else in the tree's build folder."""
    folders = [os.path.join(PACKAGE, "bin"), os.environ.get("CAULK_BUILD"), os.path.join(TREE, "build")]
    for folder in folders:
        if folder and os.path.exists(os.path.join(folder, name)):
            return os.path.join(folder, name)
    raise CaulkError("caulk: no %s in %s; build it first (make, or pip install .)" % (name, folders[0]))


def path():
    """The program caulk."""
    try:
        return beside("caulk")
    except CaulkError:
        found = shutil.which("caulk")
        if not found:
            raise
        return found


def version():
    """As meson.build has it."""
    with open(os.path.join(TREE, "meson.build")) as stream:
        return re.search(r"^\s*version: '([^']+)'", stream.read(), re.M).group(1)


class _Permission:
    """Lets a child of this process look into it, for as long as the block lasts."""

    def __enter__(self):
        self.prctl = ctypes.CDLL(None).prctl
        self.prctl.argtypes = [ctypes.c_int, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_ulong]
        self.prctl(SET_PTRACER, ctypes.c_ulong(-1).value, 0, 0, 0)

    def __exit__(self, *ignored):
        self.prctl(SET_PTRACER, 0, 0, 0, 0)


def _ask(*words):
    with _Permission():
        done = subprocess.run([path(), *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              stdin=subprocess.DEVNULL, env=_environment())
    if done.returncode not in (NO_LEAK, LEAK, INCONCLUSIVE):
        raise CaulkError(done.stderr.decode(errors="replace").strip() or "caulk ended with status %d" % done.returncode)
    return done.stdout.decode(errors="replace")


def _environment():
    """The child's own Python, if it has any, is not the one to be sampled."""
    return {key: value for key, value in os.environ.items() if key not in ("CAULK", "CAULK_AGENT", "LD_PRELOAD")}


def leaks(seconds=30.0, snapshots=7, sampler=False):
    """What grows in this process, who holds it, how fast: the verdict of `caulk leaks` as a dict. Blocks the calling
    thread for that time, the others go on. `sampler` puts the sampler in for that time, if it is not there, so that
    findings have the lines that allocated."""
    words = ["leaks", os.getpid(), "--seconds", seconds, "--snapshots", snapshots, "--json", "-"]
    return json.loads(_ask(*words, *(["--lines"] if sampler else [])))


def snapshot(file):
    """Keeps the heap as it is now in a file, for caulk top, why, tree and diff."""
    _ask("snapshot", os.getpid(), "-o", os.fspath(file))


def lines(limit=20):
    """What lives, by the line that allocated it, most bytes first: dicts of file, line, function, live_bytes, live_count.
    Empty if the sampler was never started."""
    return json.loads(_ask("top", os.getpid(), "--limit", limit, "--json", "-")).get("lines", [])
