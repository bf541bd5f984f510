"""Objects of classes Held_x, each held in one place: tests/oracle/test_held.py says where each must be found."""
import asyncio
import atexit
import codecs
import collections
import contextvars
import csv
import ctypes
import functools
import io
import itertools
import json
import operator
import os
import pickle
import queue
import signal
import sqlite3
import sys
import threading
import types
import warnings
import weakref
import xml.etree.ElementTree
import xml.parsers.expat

KEEP = []


def held(name, *bases, **more):
    """A new object of a new class, which can be called, compared, iterated over and be a text."""
    space = {"__call__": lambda self, *arguments, **keywords: None, "__hash__": lambda self: 1, "__eq__": lambda self, other: self is other, **more}
    return type("Held_" + name, bases or (object,), space)()


def keep(*objects):
    KEEP.extend(objects)


def suspended():
    local = held("suspended_local")
    yield local


async def awaiting():
    local = held("coroutine_local")
    await waits_for_ever()
    return local


@types.coroutine
def waits_for_ever():
    yield


async def asynchronous():
    local = held("async_generator_local")
    yield local


def exceptions():
    def fails():
        local = held("traceback_local")
        raise ValueError(held("exception_argument"), local.__class__.__name__)
    try:
        try:
            raise held("exception_context", Exception)
        except Exception:
            fails()
    except ValueError as error:
        error.__cause__ = held("exception_cause", Exception)
        if hasattr(error, "add_note"):
            error.add_note(held("note", str))
        keep(error)


def frames():
    generator, coroutine, stream = suspended(), awaiting(), asynchronous()
    next(generator)
    coroutine.send(None)
    try:
        stream.__anext__().send(None)
    except StopIteration:
        pass
    finished = suspended()
    list(finished)
    cell = held("cell")
    keep(generator, coroutine, stream, finished, lambda: cell)


def functions_of_c():
    keep(functools.partial(held("partial_func"), held("partial_args"), key=held("partial_keywords")), functools.lru_cache(held("lru_function")),
         operator.methodcaller("name", held("methodcaller_args")), functools.cmp_to_key(held("key_cmp"))(held("key_obj")),
         itertools.groupby([], held("groupby_key_function")), itertools.repeat(held("repeat_element")), map(held("map_function"), []),
         itertools.accumulate([], held("accumulate_function"), initial=held("accumulate_initial")), filter(held("filter_function"), []),
         itertools.zip_longest([], fillvalue=held("zip_fillvalue")), iter(held("callable"), held("sentinel")), slice(held("slice_start"), 1),
         property(held("fget"), held("fset"), held("fdel")), staticmethod(held("staticmethod_func")), types.MethodType(len, held("method_self")),
         held("wrapper_self").__str__, [held("list_item")].append, collections.defaultdict(held("default_factory")),
         collections.deque([0, held("deque_item")]), xml.etree.ElementTree.Element("a").iter())
    cached = functools.lru_cache(maxsize=5)(lambda argument: held("lru_result"))
    cached(held("lru_key"))
    keep(cached, weakref.ref(KEEP[0], held("weakref_callback")))


def libraries():
    element = xml.etree.ElementTree.Element("tag", {"attribute": held("element_attribute")})
    element.text, element.tail = held("element_text"), held("element_tail")
    parser = xml.parsers.expat.ParserCreate()
    parser.StartElementHandler, parser.CharacterDataHandler = held("expat_start"), held("expat_data")
    connection = sqlite3.connect(":memory:")
    connection.row_factory, connection.text_factory = held("row_factory"), held("text_factory")
    connection.set_trace_callback(held("trace_callback"))
    connection.set_progress_handler(held("progress_handler"), 10)
    connection.set_authorizer(held("authorizer"))
    waiting = queue.SimpleQueue()
    waiting.put(held("simple_queue_item"))
    pickler = pickle.Pickler(io.BytesIO(), protocol=5, buffer_callback=held("buffer_callback"))
    text = io.TextIOWrapper(io.BufferedReader(held("raw", io.RawIOBase, readable=lambda self: True)))
    encoder = json.encoder.c_make_encoder(None, held("json_default"), held("json_encoder"), None, "", "", False, False, False)
    context, variable = contextvars.Context(), contextvars.ContextVar("variable", default=held("variable_default"))
    token = context.run(variable.set, held("variable_value"))
    callback = ctypes.CFUNCTYPE(None)(held("ctypes_callback"))
    keep(element, parser, connection, waiting, pickler, text, encoder, context, variable, token, callback, ctypes.py_object(held("py_object")),
         csv.reader(iter(held("csv_input"), 1)), types.MappingProxyType({"key": held("mapped")}), types.SimpleNamespace(attribute=held("namespace")))


def asynchronous_library():
    loop = asyncio.new_event_loop()
    future, done = loop.create_future(), loop.create_future()
    future.add_done_callback(held("future_callback"), context=contextvars.Context())
    done.set_result(held("future_result"))
    task = loop.create_task(awaiting(), name=held("task_name", str))
    keep(loop, future, done, task)


def of_the_process():
    atexit.register(held("atexit_function"), held("atexit_argument"))
    signal.signal(signal.SIGUSR1, held("signal_handler"))
    codecs.register(held("codec_search"))
    codecs.register_error("held", held("codec_error"))
    os.register_at_fork(before=held("before_fork"), after_in_child=held("after_fork_child"), after_in_parent=held("after_fork_parent"))
    warnings.filters.append(("ignore", None, Warning, held("warning_module"), 0))
    sys.addaudithook(held("audit_hook"))
    sys.set_asyncgen_hooks(held("firstiter"), held("finalizer"))
    sys.path_hooks.append(held("path_hook"))
    sys.meta_path.append(types.SimpleNamespace(find_spec=held("finder")))


class Slots:
    __slots__ = ("slot",)


def attributes():
    slots, plain = Slots(), types.new_class("Plain")()
    slots.slot, plain.attribute = held("slot"), held("attribute")
    keep(slots, plain, {"key": held("value")}, {held("key"): 1}, [held("item")], (0, held("tuple_item")), {held("set_member")})


LOCAL = threading.local()


def worker(ready):
    local = held("thread_frame_local")
    LOCAL.value = held("thread_local")
    sys.setprofile(held("profile_function"))
    try:
        raise held("handled_exception", Exception)
    except Exception:
        ready.set()
        threading.Event().wait()
    return local


def main():
    for part in (frames, exceptions, functions_of_c, libraries, asynchronous_library, attributes, of_the_process):
        part()
    ready = threading.Event()
    threading.Thread(target=worker, args=(ready,), name="worker", daemon=True).start()
    ready.wait()
    os.write(1, b"ready\n")
    os.read(0, 1)
    os._exit(0)


main()
