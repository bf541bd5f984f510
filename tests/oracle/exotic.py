"""One or more of every kind of object that a CPython process is made of."""
import array
import asyncio
import collections
import contextvars
import csv
import ctypes
import dataclasses
import datetime
import decimal
import enum
import fractions
import functools
import io
import ipaddress
import itertools
import json
import mmap
import operator
import pickle
import queue
import random
import re
import socket
import sqlite3
import sys
import string
import struct
import tempfile
import threading
import types
import typing
import uuid
import weakref
import xml.etree.ElementTree
import zlib

REQUEST = contextvars.ContextVar("request", default=None)


class Slots:
    __slots__ = ("left", "right", "empty")

    def __init__(self, left, right):
        self.left, self.right = left, right


class SlotsAndWeak(Slots):
    __slots__ = ("more", "__weakref__")


class SlotsAndDict(Slots):
    def __init__(self, left, right):
        super().__init__(left, right)
        self.extra = [left]


class Plain:
    shared = []

    def __init__(self, number):
        self.number = number
        self.items = [number]
        self.name = "plain %d" % number

    def method(self):
        return self.number

    @property
    def double(self):
        return self.number * 2

    @classmethod
    def make(cls):
        return cls(0)

    @staticmethod
    def helper():
        return None

    @functools.cached_property
    def cached(self):
        return [self.number]


class DictChild(dict):
    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.note = object()


class ListChild(list):
    pass


class ListSlots(list):
    __slots__ = ("owner",)


class IntChild(int):
    pass


class StrChild(str):
    pass


class BytesChild(bytes):
    pass


class FloatChild(float):
    pass


class TupleChild(tuple):
    pass


class SetChild(set):
    pass


class ExceptionChild(Exception):
    def __init__(self, text, payload):
        super().__init__(text)
        self.payload = payload


class Meta(type):
    def __new__(meta, name, bases, space):
        kind = super().__new__(meta, name, bases, space)
        kind.registry = [name]
        return kind


class WithMeta(metaclass=Meta):
    pass


class Finalised:
    def __del__(self):
        pass


class Hidden:
    def __getattr__(self, name):
        raise AttributeError(name)


class Describes:
    def __set_name__(self, owner, name):
        self.name = name

    def __get__(self, instance, owner):
        return self


class UsesDescriptor:
    field = Describes()


class Generic(list):
    def __class_getitem__(cls, item):
        return types.GenericAlias(cls, item)


class Colour(enum.Enum):
    RED = 1
    GREEN = "green"


class Permission(enum.IntFlag):
    READ = 1
    WRITE = 2


Point = collections.namedtuple("Point", "x y")


@dataclasses.dataclass
class Order:
    number: int
    lines: list = dataclasses.field(default_factory=list)


SLOTTED = {"slots": True, "weakref_slot": True} if sys.version_info >= (3, 11) else {}


@dataclasses.dataclass(frozen=True, **SLOTTED)
class Price:
    amount: int
    currency: str = "EUR"


def numbers(limit):
    held = [limit] * 3
    for number in range(limit):
        yield number, held


def delegating(limit):
    yield from numbers(limit)


async def waiter(value):
    local = {"value": value}
    await asyncio.sleep(3600, local)
    return local


async def stream(value):
    local = [value]
    yield local
    yield value


def closure(value):
    unset = None

    def inner(more=[value], *, key={"v": value}):
        nonlocal unset
        unset = more
        return value, key, later

    if value > 10**9:
        later = 1
    return inner


@functools.lru_cache(maxsize=None)
def cached(number, text=None):
    return [number, text]


@functools.lru_cache(maxsize=50)
def bounded(number):
    return {"number": number}


@functools.singledispatch
def dispatched(value):
    return value


@dispatched.register
def _(value: int):
    return -value


def raise_deep(level, payload):
    local = [payload, level]
    if level:
        return raise_deep(level - 1, payload)
    try:
        {}["missing"]
    except KeyError as error:
        raise ExceptionChild("deep", local) from error


def caught(number):
    try:
        raise_deep(5, "payload %d" % number)
    except ExceptionChild as error:
        return error


def many_attributes():
    plain = Plain(1)
    for number in range(60):
        setattr(plain, "attribute_%d" % number, [number])
    return plain


def deleted_attributes():
    plain = Plain(2)
    del plain.items
    plain.later = (1, [2])
    return plain


def materialised():
    plain = Plain(3)
    plain.__dict__["odd key"] = [1]
    return plain, vars(Plain(4)), Plain(5).__dict__


def containers():
    counter = collections.Counter("mississippi")
    ordered = collections.OrderedDict((n, [n]) for n in range(100))
    ordered.move_to_end(3)
    del ordered[50]
    default = collections.defaultdict(list)
    for number in range(20):
        default[number % 7].append(str(number))
    long_deque = collections.deque([[n] for n in range(1000)])
    long_deque.rotate(17)
    for _ in range(100):
        long_deque.popleft()
    holes = {n: [n] for n in range(500)}
    for number in range(0, 500, 3):
        del holes[number]
    emptied = {n: n for n in range(100)}
    emptied.clear()
    shrunk = [[n] for n in range(1000)]
    del shrunk[10:]
    grown_set = {("k", n) for n in range(300)}
    for number in range(100, 300):
        grown_set.discard(("k", number))
    return [counter, ordered, default, long_deque, holes, emptied, shrunk, grown_set,
            collections.deque(maxlen=5), collections.deque([1, []], 3), collections.ChainMap({}, {"a": []}),
            collections.UserDict(a=[1]), collections.UserList([[1]]), collections.UserString("user"),
            {1: [], "two": [], (3, "t"): [], None: []}, {"only": [], "text": ()}, {n: n for n in range(9)}, {},
            frozenset({("a",), ("b", 1)}), {frozenset(), frozenset({1})}, set(), [], (), ((), [], {}), ([],) * 50,
            list(range(100)), [None] * 1000, types.SimpleNamespace(a=[1], b={}), types.MappingProxyType({"a": [1]}),
            {"a": 1}.keys(), {"a": []}.values(), {"a": []}.items(), slice([1], None, ()), range(10, 10**30, 7)]


def iterators(held):
    one = iter([[1], [2]])
    next(one)
    tee_a, tee_b = itertools.tee(iter([[n] for n in range(200)]))
    for _ in range(120):
        next(tee_a)
    group = itertools.groupby([[1], [1], [2]])
    key, members = next(group)
    cycle = itertools.cycle([[1], [2]])
    next(cycle)
    product = itertools.product([[1], [2]], "ab")
    next(product)
    permutations = itertools.permutations([[1], [2], [3]])
    next(permutations)
    combinations = itertools.combinations([[1], [2], [3]], 2)
    next(combinations)
    accumulate = itertools.accumulate([[1], [2]])
    next(accumulate)
    enumerated = enumerate([[1], [2]], 10**20)
    next(enumerated)
    zipped = zip([[1], [2]], "ab")
    next(zipped)
    return [one, tee_a, tee_b, group, key, members, cycle, product, permutations, combinations, accumulate, enumerated,
            zipped, map(len, [[1]]), filter(None, [[1]]), reversed([[1], [2]]), iter({1: [2]}), iter({1: [2]}.items()),
            iter({(1,)}), iter("text"), iter(b"bytes"), iter(range(5)), iter((1, [2])), iter(held.get, None),
            itertools.chain([[1]], [[2]]), itertools.count([1][0], 2), itertools.count(2.5), itertools.repeat([1], 5),
            itertools.islice(iter([[1]] * 5), 3), itertools.starmap(max, [(1, 2)]), itertools.takewhile(bool, [[1]]),
            itertools.dropwhile(bool, [[1]]), itertools.compress([[1]], [1]), itertools.zip_longest([[1]], [], fillvalue=[0]),
            itertools.filterfalse(None, [[1]]), getattr(itertools, "pairwise", iter)([[1], [2]]), itertools.combinations_with_replacement([[1]], 1),
            collections.deque([[1]]).__iter__(), reversed(collections.deque([[1]])), iter(collections.OrderedDict(a=[1])),
            re.finditer("a", "banana"), iter(memoryview(b"ab")), iter(array.array("i", [1, 2]))]


def callables(held):
    plain = Plain(7)
    return [functools.partial(len, held, key=[1]), functools.partial(functools.partial(max, [1]), [2]), plain.method,
            [].append, held.get, Plain.make, Plain.helper, str.join, dict.__dict__["fromkeys"], len, closure(1), closure(2),
            operator.itemgetter(1, "a"), operator.attrgetter("a.b", "c"), operator.methodcaller("go", [1], key={}),
            functools.partialmethod(max, [1]), functools.cmp_to_key(lambda a, b: 0), functools.cmp_to_key(max)([1]),
            Plain.__dict__["double"], Plain.__dict__["make"], Plain.__dict__["helper"], Slots.__dict__["left"],
            Plain.__dict__["__dict__"], type.__dict__["__mro__"], int.__dict__["real"], super(DictChild, DictChild()),
            lambda first=[1], *rest, key=None: (first, rest, key), compile("x = [1, (2, 3)]", "<made>", "exec"),
            types.MethodType(closure, 5), types.FunctionType(closure.__code__, {"made": [1]}), weakref.WeakMethod(plain.method), plain]


def views(folder):
    big = bytearray(b"x" * 5000)
    bytes_io = io.BytesIO(b"y" * 700)
    bytes_io.read(10)
    text_io = io.StringIO()
    text_io.write("text" * 300)
    ready_io = io.StringIO("state" * 10)
    path = folder + "/file.txt"
    file = open(path, "w+")
    file.write("line\n" * 100)
    file.flush()
    file.seek(0)
    file.readline()
    mapping = mmap.mmap(-1, 8192)
    return [big, memoryview(big), memoryview(b"abc")[1:], memoryview(array.array("d", [1.0])), array.array("Q", range(300)),
            array.array("u", "text"), bytes_io, bytes_io.getbuffer(), text_io, ready_io, file, open(path, "rb"), open(path, "rb", 0), mapping,
            ctypes.c_int(5), ctypes.create_string_buffer(200), (ctypes.c_double * 10)(), ctypes.pointer(ctypes.c_int(3)),
            ctypes.CFUNCTYPE(None, ctypes.c_int)(lambda number: None), struct.Struct("<QQI"), io.BufferedRandom(open(path, "r+b", 0)),
            io.TextIOWrapper(io.BytesIO(b"wrapped\n" * 10)), tempfile.SpooledTemporaryFile(), csv.reader(["a,b"]),
            csv.writer(io.StringIO()), csv.DictReader(["a,b", "1,2"]), zlib.compressobj(), zlib.decompressobj()]


def values():
    pattern = re.compile(r"(?P<name>\w+)-(\d+)")
    zone = datetime.timezone(datetime.timedelta(hours=2), "there")
    return [pattern, pattern.match("order-17"), pattern.scanner("a-1 b-2"), datetime.datetime(2024, 1, 2, 3, tzinfo=zone),
            datetime.date(2024, 1, 2), datetime.timedelta(5, 6, 7), datetime.time(1, 2, tzinfo=zone), zone, decimal.Decimal("1.5"),
            decimal.Decimal(10) ** 100, decimal.getcontext(), fractions.Fraction(1, 3), uuid.uuid4(), ipaddress.ip_network("10.0.0.0/8"),
            2**10, 2**40, 2**200, -(2**70), 1.5, 2j, "latin \xe9", "greek \u03b1" * 5, "astral \U0001F600", "plain" * 100, b"bytes" * 20,
            IntChild(2**80), IntChild(7), StrChild("child"), BytesChild(b"child"), FloatChild(1.5), TupleChild([1, [2]]), True, None, ...,
            NotImplemented, Colour.RED, Permission.READ | Permission.WRITE, Point([1], [2]), Order(1, [[2]]), Price(5), random.Random(1),
            string.Template("$a"), string.Formatter(), list[int], dict[str, list[int]], typing.Optional[int], Generic[int]]


def concurrency(held):
    loop = asyncio.new_event_loop()
    coroutine = waiter("never started")
    started = waiter("started")
    task = loop.create_task(started, name="waiting task")
    future = loop.create_future()
    future.add_done_callback(held.get)
    done = loop.create_future()
    done.set_result([1])
    loop.call_later(3600, held.get, "later")
    agen = stream([5])
    try:
        agen.__anext__().send(None)
    except StopIteration:
        pass
    loop.run_until_complete(asyncio.sleep(0))
    context = contextvars.copy_context()
    for number in range(40):
        context.run(contextvars.ContextVar("v%d" % number).set, [number])
    token = REQUEST.set(Plain(8))
    lock = threading.RLock()
    queues = [queue.Queue(), queue.SimpleQueue(), queue.PriorityQueue()]
    for one in queues:
        one.put([1])
    pair = socket.socketpair()
    local = threading.local()
    local.value = [1]
    return [loop, coroutine, task, future, done, agen, context, token, REQUEST, lock, queues, pair, local, threading.Event(),
            threading.Condition(), threading.Semaphore(3), coroutine.cr_code]


def weak_things():
    plain, other = Plain(10), SlotsAndWeak([1], [2])
    weak_keys, weak_values = weakref.WeakKeyDictionary(), weakref.WeakValueDictionary()
    weak_keys[plain] = [1]
    weak_values["a"] = plain
    weak_set = weakref.WeakSet([plain])
    return [plain, other, weakref.ref(plain), weakref.ref(plain, callables), weakref.ref(other), weakref.proxy(plain),
            weakref.proxy(closure(3)), weakref.ref(set()), weak_keys, weak_values, weak_set, weakref.finalize(plain, len, [1])]


def libraries():
    connection = sqlite3.connect(":memory:")
    connection.row_factory = sqlite3.Row
    connection.create_function("held", 1, Plain(11).method)
    cursor = connection.execute("select 1 as a, 'text' as b")
    row = cursor.fetchone()
    tree = xml.etree.ElementTree.fromstring("<a x='1'><b>text</b><c y='2'>more</c>tail</a>")
    pickler = pickle.Pickler(io.BytesIO())
    pickler.dump([[1], {"a": 2}])
    unpickler = pickle.Unpickler(io.BytesIO(pickle.dumps([[1]])))
    unpickler.load()
    return [connection, cursor, row, tree, list(tree), pickler, unpickler, json.JSONEncoder(), json.JSONDecoder(),
            xml.etree.ElementTree.XMLParser(), Hidden(), UsesDescriptor(), WithMeta(), Finalised()]


def flask_application():
    try:
        import flask
    except ImportError:
        return None
    application = flask.Flask("exotic")

    @application.route("/items/<int:number>")
    def item(number):
        return {"number": number}

    client = application.test_client()
    for number in range(20):
        client.get("/items/%d" % number)
    return application, client


def database():
    try:
        from sqlalchemy import ForeignKey, create_engine, select
        from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship
    except ImportError:
        return None

    class Base(DeclarativeBase):
        pass

    class Customer(Base):
        __tablename__ = "customer"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str]
        orders: Mapped[list["Purchase"]] = relationship(back_populates="customer")

    class Purchase(Base):
        __tablename__ = "purchase"
        id: Mapped[int] = mapped_column(primary_key=True)
        customer_id: Mapped[int] = mapped_column(ForeignKey("customer.id"))
        customer: Mapped[Customer] = relationship(back_populates="orders")

    Base.__annotations_scope__ = None
    globals().update(Customer=Customer, Purchase=Purchase)
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    session = Session(engine)
    for number in range(50):
        session.add(Customer(name="customer %d" % number, orders=[Purchase(), Purchase()]))
    session.commit()
    rows = session.scalars(select(Customer)).all()
    return Base, engine, session, rows, [row.orders for row in rows]


def sleeper(ready, number):
    local = [[number], {"thread": number}]
    generator = numbers(number + 5)
    next(generator)
    ready.release()
    threading.Event().wait()
    return local, generator


def sleeping_threads(count):
    ready = threading.Semaphore(0)
    threads = [threading.Thread(target=sleeper, args=(ready, n), name="sleeper-%d" % n, daemon=True) for n in range(count)]
    for thread in threads:
        thread.start()
    for _ in threads:
        ready.acquire()
    return threads


def cycles():
    one, two = Plain(12), DictChild({"a": 1})
    one.two, two["one"] = two, one
    return [one, two]


def build():
    """Everything, in one list that the caller keeps alive."""
    import tempfile
    held = {n: [n] for n in range(10)}
    folder = tempfile.TemporaryDirectory()
    generators = [numbers(5), numbers(6), delegating(7)]
    for generator in generators[1:]:
        next(generator)
    for number in range(300):
        cached(number, "text")
        bounded(number)
    dispatched(5)
    kinds = [type("Made%d" % n, (Plain,), {"made": [n], "__slots__": ("a", "b") if n % 2 else ()}) for n in range(20)]
    list_slots = ListSlots([[1]])
    list_slots.owner = [2]
    list_child = ListChild([[1]])
    list_child.note = [3]
    with_cached = Plain(20)
    with_cached.cached
    return [held, folder, generators, kinds, containers(), iterators(held), callables(held), views(folder.name), values(),
            concurrency(held), weak_things(), libraries(), flask_application(), database(), sleeping_threads(4), cycles(),
            [Plain(n) for n in range(2000)], [Slots([n], str(n)) for n in range(500)], [SlotsAndDict(n, [n]) for n in range(50)],
            [SlotsAndWeak(n, None) for n in range(20)], [caught(n) for n in range(30)], many_attributes(), deleted_attributes(),
            materialised(), list_slots, list_child, DictChild({"a": [1]}), SetChild({(1,)}), with_cached, kinds[1](5), kinds[2](6)]
