"""The sampler in this process: libcaulk_agent.so, loaded and called."""
import ctypes
import os

from caulk.program import beside

NAME = "libcaulk_agent.so"
_running = False


def _loaded():
    """The file of the sampler that is in this process already, by caulk run or caulk attach; None if there is none."""
    try:
        with open("/proc/self/maps", errors="surrogateescape") as maps:
            for line in maps:
                path = line.rstrip("\n").partition("/")[2]
                if path.endswith("/" + NAME):
                    return "/" + path
    except OSError:
        pass
    return None


def _library():
    """Called with the GIL held, as the sampler asks for."""
    library = ctypes.PyDLL(_loaded() or beside(NAME))
    library.caulk_agent_start.argtypes = [ctypes.c_char_p]
    return library


def start_with(options):
    """Starts the sampler with its own line of options."""
    global _running
    error = _library().caulk_agent_start(options.encode())
    if error:
        raise OSError(error, "caulk: the sampler did not start (options %r): %s" % (options, os.strerror(error)))
    _running = True


def _word(key, value):
    text = os.fspath(value) if hasattr(value, "__fspath__") else str(value)
    if " " in text:
        raise ValueError("caulk: %s cannot have a space in it: %r" % (key, text))
    return "%s=%s" % (key, text)


def start(interval=None, every_byte=False, native=False, file=None, memory=None, budget=None,
          native_stacks=False):
    """Starts sampling, or goes on with these options.

    interval    bytes between samples, on average (524288); every_byte takes every allocation
    native      malloc and mmap of native code too
    file        where the recording lies, "%p" becomes the process's number; without it only memory
    memory      bytes that the sampler may use for itself (16777216)
    budget      share of one processor that sampling may cost (0.01)
    native_stacks   malloc and mmap too, and the C functions that were on the stack
    """
    words = [_word("interval", 1 if every_byte else interval)] if every_byte or interval is not None else []
    words += [_word("native", 2 if native_stacks else 1)] if native or native_stacks else []
    words += [_word(key, value) for key, value in (("file", file), ("memory", memory))
              if value is not None]
    words += [_word("budget", "%.9f" % budget)] if budget is not None else []
    start_with(" ".join(words))


def stop():
    """Takes no more samples. Those that live stay known until they are freed."""
    global _running
    if _loaded():
        _library().caulk_agent_stop()
    _running = False


def is_running():
    """Whether start() was called and stop() was not."""
    return _running
