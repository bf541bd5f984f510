"""The memory that belongs to one object, by what the object says of itself and by the rules after which that is not true.

    own            sys.getsizeof, by the __sizeof__ of C: a class written in Python may have one that says anything
    static type    the collector's head is counted although a static type has none (sys.getsizeof asks its metatype)
    StgDict        its own fields are counted twice (stgdict_sizeof adds them to the size of a dict, which has them)
    ctypes class   the shared keys of its instances are not counted (CType_Type.__sizeof__ replaces type.__sizeof__)
    silent memory  a mapping, a C buffer, the characters of a StringIO, the ring of a SimpleQueue: no __sizeof__ counts them
Two rules need the graph and stand in oracle.py: attribute values apart from their instance, and a bytes object that its
owner counts (BytesIO, Pickler) but that is an object of its own.
"""
import ctypes
import io
import mmap
import queue
import sys

HEAP_TYPE = 1 << 9
TYPE_SUBCLASS = 1 << 31
METATYPES = {base for kind in type(ctypes.Structure).__mro__ for base in (kind,) if base.__name__ == "CType_Type"}
CTYPES_CLASSES_CRASH = sys.version_info[:2] == (3, 13) and sys.version_info[2] < 5  # __sizeof__ of them ends the process
SIMPLE_QUEUE = getattr(queue, "SimpleQueue", None)
LONGER_HEAD = object.__basicsize__ - 16  # of objects in free-threaded builds
RING_SIZE = 72 + LONGER_HEAD  # of a SimpleQueue that has a ring instead of a list (3.13 and later)


METHOD_OF_C = type(dict.__sizeof__)


def size_methods(one):
    """All that its type and the bases of that have, the one that is called first; some objects answer for another (super, proxies)."""
    for base in type.__dict__["__mro__"].__get__(type(one)):
        found = type.__dict__["__dict__"].__get__(base).get("__sizeof__")
        if found is not None:
            yield found


def of_c(one):
    return next(method for method in size_methods(one) if type(method) is METHOD_OF_C)(one)


def in_front(one):
    """What sys.getsizeof adds to __sizeof__: the head of the collector, pointers to attributes."""
    return sys.getsizeof(one) - next(size_methods(one)).__get__(one)()


def word(address, offset):
    return ctypes.c_size_t.from_address(address + offset + LONGER_HEAD).value


def silent(one):
    kind = type(one)
    if issubclass(kind, mmap.mmap):
        return 0 if one.closed else len(one)
    if issubclass(kind, io.StringIO):
        return 4 * word(id(one), 40) if word(id(one), 16) else 0
    if SIMPLE_QUEUE and kind is SIMPLE_QUEUE and kind.__basicsize__ == RING_SIZE and "__sizeof__" not in kind.__dict__:
        return 8 * word(id(one), 48)
    if issubclass(kind, ctypes.Structure.__mro__[1]):
        return ctypes.sizeof(one) if one._b_needsfree_ and not 0 <= word(id(one), 16) - id(one) < kind.__basicsize__ else 0
    return 0


def of_type(one):
    if METATYPES & set(type(one).__mro__) and CTYPES_CLASSES_CRASH:
        return 0
    if not type.__dict__["__flags__"].__get__(one) & HEAP_TYPE:
        return of_c(one)
    if METATYPES & set(type(one).__mro__):
        return of_c(one) + in_front(one) + type.__sizeof__(one) - type.__basicsize__
    return of_c(one) + in_front(one)


def samples():
    """One for each way through this file."""
    return [ctypes.Structure, int, io.StringIO("text"), ctypes.c_int(5), ctypes.create_string_buffer(100)]


def is_plain(kind):
    """Whether sys.getsizeof tells the truth of all instances."""
    special = (mmap.mmap, io.StringIO, ctypes.Structure.__mro__[1], type) + ((SIMPLE_QUEUE,) if SIMPLE_QUEUE else ())
    mro = type.__dict__["__mro__"].__get__(kind)
    return not set(mro) & set(special) and kind.__name__ != "StgDict" and all(
        type(type.__dict__["__dict__"].__get__(base).get("__sizeof__", dict.__sizeof__)) is METHOD_OF_C for base in mro)


def true_size(one, plain):
    """0 if the object cannot say. `plain` has the ids of types that need no rule."""
    kind = type(one)
    try:
        if id(kind) in plain:
            return sys.getsizeof(one)
        if is_plain(kind):
            plain.add(id(kind))
            return sys.getsizeof(one)
        if kind.__flags__ & TYPE_SUBCLASS:
            return of_type(one)
        size = of_c(one) + in_front(one) + silent(one)
    except Exception:
        return 0
    if kind.__name__ == "StgDict":
        size -= kind.__basicsize__ - dict.__basicsize__
    return size
