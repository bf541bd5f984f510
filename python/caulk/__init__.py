"""caulk finds memory leaks in running Python programs: the sampler from inside, the program from outside.

    import caulk
    caulk.start()                     # which line allocated what, from now on
    ...
    for line in caulk.lines(10):      # what lives, by the line that allocated it
        print(line["file"], line["line"], line["live_bytes"])
    print(caulk.leaks(seconds=30)["verdict"])

`CAULK=1` in the environment starts the sampler with Python, without a change of the program; its value may be the
options of the sampler instead ("interval=65536 file=/tmp/%p.caulk-recording").
"""
from caulk.agent import is_running, start, stop
from caulk.program import CaulkError, leaks, lines, path, snapshot

try:
    from caulk._version import __version__
except ImportError:  # in the source tree, where only Meson knows it
    from caulk.program import version as _version

    __version__ = _version()

__all__ = ["CaulkError", "is_running", "leaks", "lines", "path", "snapshot", "start", "stop", "__version__"]
