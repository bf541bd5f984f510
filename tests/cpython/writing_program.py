"""Functions that put things into STORE in every way, each marked with what its bytecode says; they run before "ready",
often enough that the interpreter has specialised them."""
import collections
import heapq
import sys

STORE = {}
LOG = []


class Owner:
    def __init__(self):
        self.STORE = {}  # write: attribute self
        self.deep = collections.namedtuple("Deep", "STORE")([])

    def put(self, key, value):
        self.STORE[key] = value  # write: item self.STORE

    def put_deep(self, value):
        self.deep.STORE.append(value)  # write: method self.deep.STORE append


def by_item(key, value):
    STORE[key] = value  # write: item STORE


def by_constant_key(value):
    STORE["key"] = value  # write: item STORE


def by_conditional_value(key, value):
    STORE[key] = value if value else None  # write: item STORE


def by_setdefault(key, value):
    STORE.setdefault(key, []).append(value)  # write: method STORE setdefault | method STORE. append


def by_alias(key, value):
    store = STORE
    for number in range(2):
        store[key] = value + number  # write: item STORE


def by_bound_method(value):
    put = STORE.setdefault
    put(value, value)  # write: method STORE setdefault


def by_update(value):
    STORE.update(last=value)  # write: method STORE update


def by_nested_item(key, value):
    STORE["lists"][key] = value  # write: item STORE.


def by_counting(key):
    STORE[key] += 1  # write: inplace STORE. | item STORE


def by_argument(value):
    heapq.heappush(STORE["heap"], value)  # write: argument STORE. heappush


def by_module(value):
    sys.modules[__name__].STORE["module"] = value  # write: item sys.modules..STORE


def by_closure(value):
    def inner():
        return captured.append(value)
    captured = STORE["lists"].setdefault("closure", [])  # write: method STORE. setdefault
    inner()


def by_many_words(value):
    """Long jumps and many constants lie before it."""
    total = 0
    for number in range(3):
        try:
            total += {0: 10, 1: 20, 2: 30}[number] * len([number] * 7) - (1 if number % 2 else 2)
        except (KeyError, ValueError) as error:
            print(error)
        finally:
            total -= 1
    STORE["many"] = (total, value)  # write: item STORE


def only_reads(key):
    for one in STORE.items():  # write: method STORE items
        len(one)
    return len(STORE), STORE[key]  # write: argument STORE len


def other_things(key, value):
    LOG.append(key)
    LOG[0] = value


STORE["lists"] = {}  # write: item STORE
STORE["heap"] = []  # write: item STORE
owner = Owner()
for number in range(200):
    owner.put(number, number)
    owner.put_deep(number)
    by_item(number, number)
    by_constant_key(number)
    by_conditional_value(number, number)
    by_setdefault("list", number)
    by_alias(number, number)
    by_bound_method(number)
    by_update(number)
    by_nested_item(number, number)
    by_counting(number)
    by_argument(number)
    by_module(number)
    by_closure(number)
    by_many_words(number)
    only_reads("key")
    other_things(number, number)
print("ready", flush=True)
sys.stdin.read()
