"""Who asked for memory, where calls are no plain nesting: coroutines that await each other, and greenlets."""
import glob
import os

import pytest

import pythons
import recording


def callers_of(found, function):
    """The names from that function outwards, of the stack that holds most with it innermost."""
    best, most = [], 0
    for stack in found.stacks:
        names = [found.place(frame)[1].split(".")[-1] for frame in found.calls(stack.frame) if frame.kind == recording.PYTHON]
        if names and names[0] == function and stack.live_bytes > most:
            best, most = names, stack.live_bytes
    return best


AWAITS = """
import asyncio, os
KEPT = []
async def innermost(steps):
    for i in range(steps):
        await asyncio.sleep(0)
        KEPT.append(bytearray(5000))
async def middle(steps):
    await innermost(steps)
async def outer(steps):
    await middle(steps)
async def main():
    await asyncio.gather(*[asyncio.ensure_future(outer(50)) for _ in range(4)])
loop = asyncio.new_event_loop()
loop.run_until_complete(main())
os._exit(0)
"""


def test_a_task_that_was_resumed_shows_who_awaits_it(python_with_gil, sampled):
    sampled.run(python_with_gil, AWAITS, "interval=1")
    assert callers_of(sampled.only(), "innermost")[:3] == ["innermost", "middle", "outer"]


SWITCHES = """
import os, greenlet
KEPT = []
def allocate():
    KEPT.append(bytearray(5000))
def inside(other):
    for _ in range(50):
        allocate()
        other().switch()
def first():
    inside(lambda: second_one)
def second():
    inside(lambda: first_one)
first_one, second_one = greenlet.greenlet(first), greenlet.greenlet(second)
def start():
    first_one.switch()
start()
os._exit(0)
"""


def test_greenlets_have_their_own_callers(python_with_gil, sampled):
    folder = os.path.join(pythons.CACHE, "greenlets-" + pythons.minor_of(pythons.version_of(python_with_gil)))
    installed = glob.glob(folder + "/lib/python*/site-packages/greenlet")
    if not installed:
        pytest.skip("no greenlet for this Python: tests/deploy installs it")
    done = sampled.run(python_with_gil, SWITCHES, "interval=1", environment={"PYTHONPATH": os.path.dirname(installed[0])})
    assert done.returncode == 0, done.stderr
    found = sampled.only()
    held = {}
    for stack in found.stacks:
        names = [found.place(frame)[1] for frame in found.calls(stack.frame) if frame.kind == recording.PYTHON]
        if names[:1] == ["allocate"]:
            held[names[2]] = held.get(names[2], 0) + stack.live_bytes
            assert names[:2] == ["allocate", "inside"]
    assert set(held) == {"first", "second"}
    for size in held.values():
        assert 50 * 5000 <= size < 51 * 5300
