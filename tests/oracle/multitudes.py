"""Thousands of each kind of C object that the standard library can make, in many states, with names for what they hold."""
import _thread
import array
import ast
import asyncio
import bz2
import codecs
import collections
import contextvars
import csv
import ctypes
import datetime
import decimal
import functools
import hashlib
import io
import itertools
import json
import lzma
import mmap
import operator
import os
import pickle
import queue
import random
import re
import select
import socket
import sqlite3
import ssl
import string
import struct
import sys
import threading
import types
import typing
import weakref
import xml.etree.ElementTree as ElementTree
import xml.parsers.expat
import zlib

MANY = 1000


class Thing:
    """Something that only one other object refers to."""
    def __init__(self, number):
        self.number = number

    def method(self, *arguments):
        return self.number

    def __lt__(self, other):
        return False

    def __len__(self):
        return 1

    def __getitem__(self, index):
        return self


class Record(ctypes.Structure):
    _fields_ = [("number", ctypes.c_int), ("text", ctypes.c_char_p), ("thing", ctypes.py_object)]


class Either(ctypes.Union):
    _fields_ = [("number", ctypes.c_int), ("text", ctypes.c_char_p)]


CALLBACK = ctypes.CFUNCTYPE(None, ctypes.c_int)
VARIABLES = [contextvars.ContextVar("variable %d" % number) for number in range(40)]
LOOP = asyncio.new_event_loop()
TABLE = str.maketrans({chr(200 + n): chr(300 + n) for n in range(10)})
PAIR = socket.socketpair()
EPOLL = select.epoll()
SERVER_CONTEXT = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
SERVER_CONTEXT.check_hostname = False


def stepped(iterator, steps=1):
    for _ in range(steps):
        next(iterator, None)
    return iterator


def things(number, count=3):
    return [Thing(number) for _ in range(count)]


def generator(number):
    held = Thing(number)
    for step in range(number % 3 + 1):
        yield held, step


def delegating(number):
    yield from generator(number)


async def coroutine(number, future=None):
    held = Thing(number)
    if future is not None:
        await future
    return held


async def asynchronous_generator(number):
    held = Thing(number)
    yield held
    yield number


def generator_in_a_state(number):
    made = (generator, delegating)[number % 2](number)
    return stepped(made, (0, 1, 5)[number % 3])


def coroutine_in_a_state(number):
    made = coroutine(number, LOOP.create_future())
    if number % 3:
        made.send(None)
    if number % 3 == 2:
        made.close()
    return made


def asynchronous_generator_in_a_state(number):
    made = asynchronous_generator(number)
    if number % 2:
        try:
            made.__anext__().send(None)
        except StopIteration:
            pass
    return made


def future(number):
    made = LOOP.create_future()
    for _ in range(number % 3):
        made.add_done_callback(Thing(number).method)
    if number % 5 == 1:
        made.set_result(Thing(number))
    elif number % 5 == 2:
        made.set_exception(ValueError(Thing(number)))
        made.exception()
    elif number % 5 == 3:
        made.cancel(msg="cancelled %d" % number)
    return made


def task(number):
    made = LOOP.create_task(coroutine(number, LOOP.create_future()), name="task %d" % number)
    if number % 2:
        made.add_done_callback(Thing(number).method)
    return made


def context(number):
    made = contextvars.Context()
    for variable in VARIABLES[:3 if number % 30 else number % 40 + 1]:
        made.run(variable.set, Thing(number))
    return made


def token(number):
    return contextvars.Context().run(contextvars.ContextVar("own %d" % number, default=Thing(number)).set, Thing(number))


def pickler(number):
    made = pickle.Pickler(io.BytesIO(), buffer_callback=Thing(number).method, protocol=5)
    if number % 2:
        made.dump([[number], {"key": (number, "text %d" % number)}])
    return made


def unpickler(number):
    made = pickle.Unpickler(io.BytesIO(pickle.dumps([[number], {"key": (number, "text")}])), buffers=[b"one"])
    if number % 2:
        made.load()
    return made


def encoder(number):
    kind = json.encoder.c_make_encoder
    return kind({number: Thing(number)}, Thing(number).method, json.encoder.encode_basestring_ascii, None, ": ", ", ", False, False, True)


def scanner(number):
    return json.scanner.c_make_scanner(json.JSONDecoder(object_hook=Thing(number).method, parse_float=Thing(number).method))


def lru(number):
    made = functools.lru_cache(maxsize=(None, 5, 0)[number % 3], typed=bool(number % 2))(Thing(number).method)
    for argument in range(7):
        made(argument)
        made("text %d" % argument, argument)
    return made


def tee(number):
    first, second = itertools.tee(iter(things(number, 3 if number % 30 else 150)))
    return stepped(first, number % 100), second


def grouped(number):
    groups = itertools.groupby(things(number), key=Thing(number).method)
    key, members = next(groups)
    return groups, members


def element(number):
    made = ElementTree.fromstring("<a x='%d'>text<b>more</b>tail<c y='2'/><d/><e/><f/></a>" % number)
    made.text = Thing(number)
    return made


def built_tree(number):
    made = ElementTree.TreeBuilder(element_factory=ElementTree.Element)
    made.start("a", {})
    made.data("text %d" % number)
    made.start("b", {})
    return made


def expat_parser(number):
    made = xml.parsers.expat.ParserCreate(intern={})
    made.StartElementHandler = Thing(number).method
    return made


def xml_parser(number):
    made = ElementTree.XMLParser()
    made.feed("<a><b x='%d'>" % number)
    return made


def sqlite_connection(number):
    made = sqlite3.connect(":memory:", isolation_level=None)
    made.row_factory = Thing(number).method
    made.text_factory = Thing(number).method
    made.set_trace_callback(Thing(number).method)
    made.set_authorizer(Thing(number).method if number % 2 else None)
    made.create_function("held", 1, Thing(number).method)
    made.create_collation("order", Thing(number).method)
    return made


CONNECTION = sqlite3.connect(":memory:")
CONNECTION.row_factory = sqlite3.Row


def sqlite_cursor(number):
    return CONNECTION.execute("select %d as number, 'text' as word" % number)


def sqlite_row(number):
    return sqlite_cursor(number).fetchone()


def ssl_context(number):
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.sni_callback = function(number)
    return made


def ssl_object(number):
    return SERVER_CONTEXT.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="host%d" % number)


def structure(number):
    return Record(number, b"text %d" % number, Thing(number))


def pointer(number):
    return ctypes.pointer(structure(number))


def array_of_pointers(number):
    return (ctypes.POINTER(Record) * 3)(pointer(number), pointer(number))


def cast_pointer(number):
    return ctypes.cast(structure(number) if number < 0 else pointer(number), ctypes.c_void_p)


def thread_local(number):
    made = threading.local()
    made.value = Thing(number)
    return made


def rlock(number):
    made = threading.RLock()
    if number % 2:
        made.acquire()
    return made


def semaphore(number):
    made = threading.Condition(threading.Lock())
    made.thing = Thing(number)
    return made


def simple_queue(number):
    made = queue.SimpleQueue()
    for _ in range(number % 12):
        made.put(Thing(number))
    if number % 12 > 3:
        made.get()
    return made


def exception_with_everything(number):
    def fails(level, held):
        if level:
            return fails(level - 1, [held])
        try:
            {}[Thing(number)]
        except KeyError as error:
            raise ValueError(Thing(number)) from error
    try:
        fails(number % 3, Thing(number))
    except ValueError as error:
        if hasattr(error, "add_note"):
            error.add_note("note %d" % number)
        return error.with_traceback(error.__traceback__)


def exception_of_a_kind(number):
    thing = Thing(number)
    kinds = (lambda: OSError(2, thing, "file %d" % number, None, "other"), lambda: ImportError(thing, name="name", path=[thing]),
             lambda: StopIteration(thing), lambda: SystemExit(thing), lambda: SyntaxError("bad", ("file", 1, 2, "line")),
             lambda: UnicodeDecodeError("utf-8", b"bytes %d" % number, 0, 1, "reason"), lambda: AttributeError(thing, name="a", obj=thing),
             lambda: NameError(thing, name="b"), lambda: UnicodeEncodeError("utf-8", "text %d" % number, 0, 1, "reason"))
    try:
        return kinds[number % len(kinds)]()
    except (TypeError, IndexError):  # no keywords before 3.10
        return Exception(thing)


def memory_chain(number):
    first = memoryview(bytearray(b"%08d" % number))
    return first, first[1:], first[2:].cast("B"), memoryview(array.array("d", [number]))


def proxies(number):
    thing, other = Thing(number), threading.Event()
    return (thing, other, weakref.ref(thing, Thing(number).method), weakref.proxy(thing, Thing(number).method), weakref.ref(thing),
            weakref.proxy(other.is_set.__self__), weakref.WeakMethod(thing.method))


def buffers(number):
    raw = io.BytesIO(b"line %d\n" % number * 20)
    reader = io.BufferedReader(raw)
    reader.read(5)
    text = io.TextIOWrapper(io.BufferedReader(io.BytesIO(b"line %d\r\n" % number * 20)), encoding=("utf-8", "latin-1")[number % 2])
    text.readline()
    writer = io.TextIOWrapper(io.BytesIO(), encoding="utf-16", newline="\n")
    writer.write("pending %d" % number)
    return reader, text, writer, io.BufferedWriter(io.BytesIO()), io.BufferedRandom(io.BytesIO(b"text")), io.BufferedRWPair(raw, io.BytesIO())


def string_io(number):
    writing, ready = io.StringIO(), io.StringIO("ready %d" % number)
    for _ in range(number % 4):
        writing.write("text %d" % number)
    return writing, ready, io.IncrementalNewlineDecoder(codecs.getincrementaldecoder("utf-8")(), True)


def file(number):
    made = io.FileIO(0, closefd=False)
    made.thing = Thing(number)
    return made


def frame(number):
    held = Thing(number)
    return sys._getframe(), held if number < 0 else None


def descriptors(number):
    kind = type("Kind%d" % (number % 200), (), {"__slots__": ("a", "b")})
    return kind.__dict__["a"], kind


def typing_things(number):
    return (list[Thing, number], typing.TypeVar("T%d" % number, bound=Thing), dict[str, list[int]], getattr(typing, "ParamSpec", typing.TypeVar)("P"),
            iter(tuple[int, ...]) if sys.version_info >= (3, 11) else None, typing.Optional[list[int]], typing.Union[int, Thing],
            list[int] | None if sys.version_info >= (3, 10) else None)


def asynchronous_calls(number):
    made = asynchronous_generator(number)
    return made, made.__anext__(), made.asend(None), made.aclose(), coroutine(number).__await__() if number % 2 else None


def template(number):
    return eval("t'{number}text{[number]!r:>10}'", {"number": number}) if sys.version_info >= (3, 14) else None


def hashed(number):
    return hashlib.sha256(b"%d" % number), hashlib.new("md5", b"%d" % number), hashlib.blake2b(b"%d" % number), hashlib.sha3_256()


def compressors(number):
    return (zlib.compressobj(1, zlib.DEFLATED, 9, 1), zlib.decompressobj(9, zdict=b"words"), bz2.BZ2Decompressor(), lzma.LZMADecompressor())


def operators(number):
    return (operator.itemgetter(number, "a"), operator.attrgetter("a.b", "c"), operator.methodcaller("go", Thing(number), key=Thing(number)),
            functools.cmp_to_key(Thing(number).method)(Thing(number)))


def bound_things(number):
    thing = Thing(number)
    return (thing.method, [thing].append, {"a": thing}.get, thing.__str__, (1).__add__, super(Thing, thing), property(Thing(number).method),
            classmethod(Thing(number).method), staticmethod(Thing(number).method), types.MappingProxyType({"a": thing}),
            types.SimpleNamespace(thing=thing), types.CellType(Thing(number)), slice(thing, None, Thing(number)))


def dict_views(number):
    made = {n: Thing(number) for n in range(3)}
    return (made.keys(), made.values(), made.items(), stepped(iter(made)), stepped(iter(made.values())), stepped(iter(made.items())),
            stepped(reversed(made)), stepped(reversed(made.items())))


def iterators(number):
    return (stepped(iter(things(number))), stepped(reversed(things(number))), stepped(iter(tuple(things(number)))), stepped(iter({Thing(number)}), 0),
            stepped(iter("text %d" % number)), stepped(iter("\u03b1%d" % number)), stepped(iter(b"%d" % number)), stepped(iter(bytearray(b"%d" % number))),
            iter(range(number)), iter(range(10**20)), iter(Thing(number).method, None), iter(Thing(number)), reversed(Thing(number)),
            iter(memoryview(b"ab")), stepped(iter(array.array("i", [1, number]))), struct.iter_unpack("<HH", b"abcd" * 3))


def builtin_iterators(number):
    return (stepped(enumerate(things(number), 10**20)), stepped(zip(things(number), things(number))), map(Thing(number).method, things(number)),
            filter(None, things(number)), range(number, 10**20, 3), enumerate(things(number)))


def ordered(number):
    made = collections.OrderedDict((n, Thing(number)) for n in range(number % 9))
    if number % 9 > 2:
        made.move_to_end(1)
        del made[0]
    made.note = Thing(number)
    return made, iter(made), iter(made.items()), stepped(reversed(made.values())), made.keys(), made.values(), made.items()


def deques(number):
    made = collections.deque(things(number, 3 if number % 30 else number % 400), (None, 100)[number % 2])
    made.rotate(number % 20)
    return made, stepped(iter(made)), stepped(reversed(made)), collections.defaultdict(Thing(number).method, {1: Thing(number)})


def structures(number):
    return struct.Struct("<%dH" % (number % 20 + 1)), os.stat_result(range(10)), sys.flags


def csv_things(number):
    return csv.reader(["a,b", "c"]), csv.writer(io.StringIO(), delimiter=";"), stepped(csv.reader(["a,%d" % number, "c"]))


def matches(number):
    pattern = re.compile("(?P<name%d>a+)b*|c{%d}" % (number % 40, number % 40))
    return pattern.match("aaab %d" % number), pattern.scanner("a %d" % number), pattern.finditer("aab"), pattern


def dates(number):
    zone = datetime.timezone(datetime.timedelta(minutes=number % 600), "zone %d" % number)
    return datetime.datetime(2024, 1, 2, 3, tzinfo=zone), datetime.time(1, 2, tzinfo=zone), zone, datetime.timedelta(number)


def zone_info(number):
    import zoneinfo
    return zoneinfo.ZoneInfo.from_file(io.BytesIO(ZONE), key="Own/Zone%d" % number)


ZONE = (b"TZif2" + bytes(15) + struct.pack(">6l", 0, 0, 0, 0, 1, 4) + struct.pack(">lbb", 3600, 0, 0) + b"ABC\0"
        + b"TZif2" + bytes(15) + struct.pack(">6l", 0, 0, 0, 0, 1, 4) + struct.pack(">lbb", 3600, 0, 0) + b"ABC\0" + b"\nABC-1\n")


def decimals(number):
    made = decimal.Context(prec=number % 20 + 1)
    return made, made.flags, made.traps, decimal.localcontext(made), decimal.Decimal(number)


def codecs_and_formats(number):
    return (codecs.getincrementaldecoder("shift_jis")(), codecs.getincrementalencoder("gb18030")(), iter(string.Formatter().parse("a{b}%d" % number)),
            string.Formatter().get_field("a", (), {"a": Thing(number)}))


def syntax(number):
    return ast.parse("name[%d] = other(%d, key=1)" % (number, number))


def function(number):
    held = Thing(number)

    def inner(first=held, *, key=Thing(number)):
        return held, first, key
    return inner


def directory_entries(number):
    entries = os.scandir("/")
    return next(entries), entries


def profiler(number):
    import _lsprof
    return _lsprof.Profiler(Thing(number).method)


def frame_locals(number):
    held = Thing(number)
    return sys._getframe().f_locals if held else None


KINDS = {
    "deque": deques, "ordered dict": ordered, "lru cache": lru, "partial": lambda n: functools.partial(Thing(n).method, Thing(n), key=Thing(n)),
    "tee": tee, "groupby": grouped, "count": lambda n: (itertools.count(n, 2), itertools.count(n + 0.5)),
    "cycle": lambda n: stepped(itertools.cycle(things(n)), n % 5), "repeat": lambda n: itertools.repeat(Thing(n), 5),
    "accumulate": lambda n: stepped(itertools.accumulate(things(n), Thing(n).method, initial=Thing(n)), n % 3),
    "chain": lambda n: stepped(itertools.chain(things(n), things(n)), n % 5), "compress": lambda n: itertools.compress(things(n), things(n)),
    "dropwhile": lambda n: itertools.dropwhile(Thing(n).method, things(n)), "takewhile": lambda n: itertools.takewhile(Thing(n).method, things(n)),
    "filterfalse": lambda n: itertools.filterfalse(Thing(n).method, things(n)), "starmap": lambda n: itertools.starmap(Thing(n).method, things(n)),
    "islice": lambda n: itertools.islice(iter(things(n)), 1, 5), "zip_longest": lambda n: stepped(itertools.zip_longest(things(n), [], fillvalue=Thing(n))),
    "product": lambda n: stepped(itertools.product(things(n), "ab"), n % 3), "permutations": lambda n: stepped(itertools.permutations(things(n)), n % 3),
    "combinations": lambda n: stepped(itertools.combinations(things(n), 2), n % 3),
    "with replacement": lambda n: stepped(itertools.combinations_with_replacement(things(n), 2), n % 3),
    "pairwise": lambda n: stepped(itertools.pairwise(things(n)), n % 3), "batched": lambda n: stepped(itertools.batched(things(n), 2), n % 2),
    "element": element, "tree builder": built_tree, "expat parser": expat_parser, "xml parser": xml_parser,
    "element iterator": lambda n: stepped(element(n).iter(), n % 4), "sqlite connection": sqlite_connection, "sqlite cursor": sqlite_cursor,
    "sqlite row": sqlite_row, "ssl context": ssl_context, "ssl object": ssl_object, "memory bio": lambda n: ssl.MemoryBIO(),
    "structure": structure, "pointer": pointer, "array of pointers": array_of_pointers, "union": lambda n: Either(n), "cast": cast_pointer,
    "callback": lambda n: CALLBACK(Thing(n).method), "py_object": lambda n: ctypes.py_object(Thing(n)), "byref": lambda n: ctypes.byref(structure(n)),
    "character buffer": lambda n: ctypes.create_string_buffer(50), "part of a structure": lambda n: (Record * 2)()[1],
    "future": future, "task": task, "future iterator": lambda n: future(0).__await__(), "context": context, "token": token,
    "context variable": lambda n: contextvars.ContextVar("v%d" % n, default=Thing(n)), "pickler": pickler, "unpickler": unpickler,
    "memo proxy": lambda n: pickler(n).memo, "struct": structures, "csv": csv_things, "json scanner": scanner, "json encoder": encoder,
    "match": matches, "mmap": lambda n: mmap.mmap(-1, 4096), "memoryview": memory_chain, "weak references": proxies, "buffers": buffers,
    "string io": string_io, "bytes io": lambda n: (io.BytesIO(b"%d" % n), io.BytesIO(b"%d" % n).getbuffer()), "file": file,
    "compressors": compressors, "hashes": hashed, "array": lambda n: array.array("Q", range(n % 30)), "decimals": decimals, "dates": dates,
    "zone info": zone_info, "bound": bound_things, "generator": generator_in_a_state, "coroutine": coroutine_in_a_state,
    "async generator": asynchronous_generator_in_a_state, "async calls": asynchronous_calls, "exception": exception_with_everything,
    "exception of a kind": exception_of_a_kind, "exception group": lambda n: ExceptionGroup("group %d" % n, [ValueError(Thing(n)), OSError()]),
    "thread local": thread_local, "lock": lambda n: _thread.allocate_lock(), "rlock": rlock, "condition": semaphore, "descriptor": descriptors,
    "dict views": dict_views, "iterators": iterators, "builtin iterators": builtin_iterators, "epoll": lambda n: select.epoll.fromfd(EPOLL.fileno()),
    "poll": lambda n: select.poll(), "socket": lambda n: socket.socket(fileno=PAIR[0].fileno()), "simple queue": simple_queue,
    "typing": typing_things, "template": template, "operators": operators, "codecs": codecs_and_formats, "syntax": lambda n: syntax(n) if n % 10 == 0 else None, "function": function,
    "frame": frame, "random": lambda n: random.Random(n) if n < 20 else None, "profiler": profiler, "frame locals": frame_locals,
    "exec scope": lambda n: (types.FunctionType(frame.__code__, {"made": Thing(n)})),
    "entries": lambda n: directory_entries(n) if n % 20 == 0 else None,
}


EVERYDAY = """tuple list dict set frozenset type function method cell module frame traceback code weakref property classmethod staticmethod
builtin_function_or_method getset_descriptor member_descriptor method_descriptor wrapper_descriptor""".split()


def count_kinds(objects):
    """How many types of C, those aside that every program has, have a thousand objects or more."""
    counts = collections.Counter(map(type, objects))
    names = {ctypes.c_char_p.from_address(id(kind) + 24).value.decode() for kind, count in counts.items()
             if count >= MANY and (not kind.__flags__ & 1 << 9 or b"." in ctypes.c_char_p.from_address(id(kind) + 24).value)}
    return len(names - set(EVERYDAY))


def build():
    """{kind: objects}; what this version does not have is left out."""
    made = {}
    for name, maker in KINDS.items():
        try:
            made[name] = [maker(number) for number in range(MANY)]
        except (AttributeError, ImportError, NameError):
            if sys.version_info >= (3, 14):
                raise
    return made
