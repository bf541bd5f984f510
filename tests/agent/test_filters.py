"""Stacks where a filter of system calls refuses to read memory, as those of containers did."""
import pytest

import recording
import seccomp
from sampled import live_in

KEEP = """
KEPT = []
def keep(count):
    for _ in range(count):
        KEPT.append(bytes(1000))
def sort(count):
    [1].sort(key=lambda _: keep(count))
keep(300)
sort(50)
"""


def behind_a_filter(verdict):
    exec(seccomp.deny([seccomp.PROCESS_VM_READV], verdict), {})


def chains(found):
    """The frames of each stack that keeps blocks, by what they keep."""
    frames = lambda stack: [(frame.kind, *found.place(frame), frame.address) for frame in found.calls(stack.frame)
                            if frame.kind != recording.THREAD]
    kept = [(stack.live_count, frames(stack)) for stack in found.stacks if stack.live_count >= 49]
    return sorted(chain for chain in kept if any(frame[2] == "keep" for frame in chain[1]))


@pytest.mark.parametrize("words, verdict", [("interval=1", seccomp.KILL), ("interval=1 native=2", seccomp.FAIL)])
def test_stacks_are_those_without_a_filter(any_python, sampled, words, verdict):
    for limit in (None, lambda: behind_a_filter(verdict)):
        done = sampled.run(any_python, KEEP, words, preexec_fn=limit)
        assert (done.returncode, done.stderr) == (0, "")
    free, bound = sampled.recordings()
    assert len(chains(bound)) == 2 and chains(bound) == chains(free)
    kinds = {frame[0] for _, chain in chains(bound) for frame in chain}
    assert kinds == {recording.PYTHON} | ({recording.NATIVE} if "native" in words else set())
    assert live_in(bound, "keep") == live_in(free, "keep")
