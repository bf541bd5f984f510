"""Run a Python with the sampler preloaded, and read what it recorded."""
import glob
import os
import subprocess

import pytest

import recording


class Sampled:
    """Runs programs with the sampler in them; recordings lie in a folder of their own."""

    def __init__(self, library, folder):
        self.library, self.folder = library, str(folder)

    def environment(self, words, preload=(), **more):
        """`words` are the sampler's options, `preload` other libraries behind it."""
        environment = dict(os.environ, LD_PRELOAD=" ".join([self.library, *preload]),
                           CAULK_AGENT="file=%s/r.%%p budget=100 %s" % (self.folder, words))
        environment.pop("PYTHONMALLOC", None)
        return dict(environment, **more)

    def run(self, python, code, words="", arguments=(), environment=None, **more):
        return subprocess.run([python, *arguments, "-c", code], env=self.environment(words, **(environment or {})),
                              capture_output=True, text=True, timeout=120, **more)

    def paths(self):
        return sorted(glob.glob("%s/r.*" % self.folder))

    def recordings(self):
        return [recording.Recording(path) for path in self.paths()]

    def only(self):
        found = self.recordings()
        assert len(found) == 1, found
        return found[0]


def live_in(found, function):
    """(bytes, count) of the frames of that function."""
    lines = [value for (_, name, _), value in found.lines().items() if name.split(".")[-1] == function]
    return sum(value[0] for value in lines), sum(value[1] for value in lines)


def check_live(found):
    """What lives is the sum of the stacks."""
    assert sum(stack.live_bytes for stack in found.stacks) == pytest.approx(found.live_bytes / recording.ONE)


def check_sums(found):
    """The whole is the sum of its stacks; nothing is below zero."""
    check_live(found)
    assert sum(stack.total_bytes for stack in found.stacks) == pytest.approx(found.total_bytes / recording.ONE)
    assert sum(stack.peak_bytes for stack in found.stacks) == pytest.approx(found.peak_bytes / recording.ONE)
    assert found.peak_bytes >= found.live_bytes
    for stack in found.stacks:
        assert sum(stack.cohort_bytes) == pytest.approx(stack.live_bytes)
        assert stack.total_bytes >= stack.live_bytes and stack.samples >= stack.samples_live
