"""A small heap with something of every layout that caulk knows; says so and stands still."""
import array
import atexit
import collections
import contextvars
import functools
import io
import mmap
import sys
import threading
import types
import weakref
from xml.etree.ElementTree import Element, SubElement


class Plain:
    def __init__(self, number):
        self.number, self.text, self.next = number, "text %d" % number, None


class Slotted:
    __slots__ = ("left", "right", "__weakref__")


class Sized(list):
    pass


class Meta(type):
    marks = {"meta": 1}


class Made(metaclass=Meta):
    pass


class Boom(Exception):
    pass


def generator(depth):
    if depth:
        yield from generator(depth - 1)
    yield [depth]


@types.coroutine
def pause():
    yield


async def coroutine():
    await pause()


def fail(depth):
    return fail(depth - 1) if depth else Boom("end", {"depth": depth})


def failed():
    try:
        raise fail(3)
    except Boom as boom:
        return boom


def closure(cell):
    def inside():
        return cell
    return inside


@functools.lru_cache(maxsize=64)
def cached(number):
    return {"cached": number}


def element():
    root = Element("root", {"a": "b"})
    for i in range(6):
        SubElement(root, "child%d" % i).text = "text"
    return root


def started(steps):
    steps.send(None)
    return steps


def slotted(left):
    made = Slotted()
    made.left, made.right = left, made
    return made


def waiting(event):
    local = {"event": event}
    event.wait()
    return local


KEPT = {
    "plain": [Plain(i) for i in range(200)],
    "slotted": [slotted(i) for i in range(20)],
    "sized": [Sized(range(i)) for i in range(20)],
    "meta": [Made(), Meta("Other", (Made,), {"x": []})],
    "tuples": [(i, str(i)) for i in range(100)],
    "sets": [set(range(i)) for i in range(40)] + [frozenset("abc")],
    "deques": [collections.deque(range(i * 20), maxlen=i * 20 + 1) for i in range(10)],
    "ordered": [collections.OrderedDict((i, [i]) for i in range(20)) for _ in range(5)],
    "default": collections.defaultdict(list, {i: [i] for i in range(50)}),
    "bytes": [bytes(i) for i in range(20)] + [bytearray(b"x" * 100), memoryview(bytearray(10))],
    "arrays": [array.array("d", range(i)) for i in range(10)],
    "files": [io.BytesIO(b"x" * 100), io.StringIO("text"), mmap.mmap(-1, 4096)],
    "numbers": [1 << i * 20 for i in range(20)] + [-(1 << 40), 1.5, 2j],
    "texts": ["é" * i for i in range(10)] + ["\U0001f600" * i for i in range(10)],
    "generators": [generator(3)] + [started(generator(i)) for i in range(5)],
    "closures": [closure([i]) for i in range(20)],
    "methods": [Plain(1).__init__, [].append, functools.partial(closure, 1)],
    "exceptions": [failed() for _ in range(5)],
    "elements": [element() for _ in range(5)],
    "weak": weakref.WeakValueDictionary(),
    "context": contextvars.copy_context(),
    "frame": sys._getframe(),
}
for step in range(30):
    cached(step)
KEPT["plain"][0].next = KEPT["plain"]
KEPT["weak"]["first"] = KEPT["plain"][0]
KEPT["plain"][1].__dict__["extra"] = KEPT
KEPT["coroutine"] = started(coroutine())
atexit.register(len, KEPT)
for step in range(3):
    threading.Thread(target=waiting, args=(threading.Event(),), daemon=True).start()
print("ready", flush=True)


def stand(depth):
    """Frames that stand while the picture is taken."""
    if depth:
        stand(depth - 1)
    else:
        sys.stdin.read()


stand(10)
