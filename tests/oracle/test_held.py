"""Who holds an object, and by what name: one object of a class of its own in each place where objects are kept."""
import os
import subprocess

import pythons

HERE = os.path.dirname(os.path.abspath(__file__))

# The class of the object without Held_: type of the holder and the name of the edge to it, and where the holder has a name, that.
EXPECTED = {
    # attributes, keys, items, cells
    "attribute": ("Plain dict", "attribute"), "slot": ("Slots", "slot"), "namespace": ("dict", "attribute"), "value": ("dict", "key"), "key": ("dict", ""),
    "item": ("list", "0"), "tuple_item": ("tuple", "1"), "set_member": ("set", None), "deque_item": ("deque", "1"), "cell": ("cell", "cell_contents"),
    "mapped": ("dict", "key"),
    # frames of suspended generators, of calls under way and of those that failed
    "suspended_local": ("generator", "local", "suspended"), "coroutine_local": ("coroutine", "local", "awaiting"),
    "async_generator_local": ("async_generator", "local", "asynchronous"), "thread_frame_local": ("<frame>", "local", "worker"),
    "traceback_local": ("frame", "local", "fails"),
    # exceptions
    "exception_argument": ("tuple", "0"), "exception_cause": ("ValueError", "__cause__"), "exception_context": ("ValueError", "__context__"),
    "note": ("list", "0"),
    # functions and iterators of C
    "partial_func": ("partial", "func"), "partial_args": ("tuple", "0"), "partial_keywords": ("dict", "key"),
    "lru_function": ("_lru_cache_wrapper", "__wrapped__"), "lru_result": ("_lru_list_elem", "result"), "methodcaller_args": ("tuple", None),
    "key_cmp": ("KeyWrapper", "cmp"), "key_obj": ("KeyWrapper", "obj"), "groupby_key_function": ("groupby", "key_function"),
    "repeat_element": ("repeat", "element"), "map_function": ("map", "function"), "filter_function": ("filter", "function"),
    "accumulate_function": ("accumulate", "function"), "accumulate_initial": ("accumulate", "initial"), "zip_fillvalue": ("zip_longest", "fillvalue"),
    "callable": ("callable_iterator", "callable"), "sentinel": ("callable_iterator", "sentinel"), "slice_start": ("slice", "start"),
    "fget": ("property", "fget"), "fset": ("property", "fset"), "fdel": ("property", "fdel"), "staticmethod_func": ("staticmethod", "__func__"),
    "method_self": ("method", "__self__"), "wrapper_self": ("method-wrapper", "__self__"), "list_item": ("list", "0"),
    "default_factory": ("defaultdict", "default_factory"), "weakref_callback": ("weakref ReferenceType", "__callback__"),
    # libraries
    "element_attribute": ("dict", "attribute"), "element_text": ("Element", "text"), "element_tail": ("Element", "tail"),
    "expat_start": ("xmlparser", "StartElementHandler"), "expat_data": ("xmlparser", "CharacterDataHandler"),
    "row_factory": ("Connection", "row_factory"), "text_factory": ("Connection", "text_factory"), "trace_callback": ("Connection", "trace_callback"),
    "progress_handler": ("Connection", "progress_handler"), "authorizer": ("Connection", "authorizer"), "simple_queue_item": ("SimpleQueue", "0"),
    "buffer_callback": ("Pickler", "buffer_callback"), "raw": ("BufferedReader", "raw"), "json_default": ("Encoder", "default"),
    "json_encoder": ("Encoder", "encoder"), "variable_default": ("ContextVar", "default"), "variable_value": ("hamt_bitmap_node", "1"),
    "ctypes_callback": ("CThunkObject", "_callable"), "py_object": ("py_object", "_objects"), "future_callback": ("Future", "_callback0"),
    "future_result": ("Future", "_result"),
    # the process
    "atexit_function": ("<table>", None, "atexit callbacks"), "atexit_argument": ("tuple", "0"), "signal_handler": ("<table>", "10", "signal handlers"),
    "codec_search": ("codec search functions", "1"), "codec_error": ("codec error handlers", "held"), "before_fork": ("before fork", None),
    "after_fork_child": ("after fork in child", None), "after_fork_parent": ("after fork in parent", None), "audit_hook": ("audit hooks", "0"),
    "path_hook": ("list", "2"), "finder": ("dict", "find_spec"), "warning_module": ("tuple", "3"), "profile_function": ("<thread>", "profile function", "worker"),
    "handled_exception": ("<thread>", "handled exception", "worker"), "firstiter": ("<thread>", "asyncgen hook firstiter", "MainThread"),
    "finalizer": ("<thread>", "asyncgen hook finalizer", "MainThread"), "thread_local": ("dict", "value"),
}
TABLES = ("codec_search", "codec_error", "before_fork", "after_fork_child", "after_fork_parent", "audit_hook")


def expectations(version):
    expected = dict(EXPECTED)
    if version < (3, 11):
        del expected["note"]
    if version >= (3, 14):
        expected["atexit_function"] = ("tuple", "0")
    if version < (3, 13):
        expected["simple_queue_item"] = ("list", "0")
    return expected


def holders(dump_graph, pid, prefix):
    """[(type without prefix, holder's type, edge's name, holder's name)]"""
    done = subprocess.run([dump_graph, str(pid), prefix], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    return [(row[1][len(prefix):], row[2], row[4], row[5]) for row in rows]


def is_as_expected(row, expected):
    return (row[1] in expected[0].split() + [expected[0]] and expected[1] in (None, row[2])
            and (len(expected) < 3 or row[3].rpartition(".")[2] == expected[2]))


def test_every_place_has_its_name(python, dump_graph, target):
    process = target([python, os.path.join(HERE, "held_target.py")])
    version = tuple(map(int, pythons.version_of(python).split(".")[:2]))
    rows = holders(dump_graph, process.pid, "Held_")
    wrong = {}
    for name, expected in expectations(version).items():
        found = [row for row in rows if row[0] == name and row[1] != "type"]
        if name in TABLES:
            expected = ("list dict", expected[1])
        if not any(is_as_expected(row, expected) for row in found):
            wrong[name] = (expected, found)
    assert not wrong


def test_tables_of_the_interpreter_have_names(python, dump_graph, target):
    process = target([python, os.path.join(HERE, "held_target.py")])
    tables = {row[2] for row in holders(dump_graph, process.pid, "list") + holders(dump_graph, process.pid, "dict") if row[3] == "interpreter"}
    assert {EXPECTED[name][0] for name in TABLES} <= tables
    assert {"sys.__dict__", "builtins.__dict__", "warnings.filters"} <= tables


def test_the_memory_of_a_bytearray_is_held_by_it(dump_graph, target):
    """From 3.15 on it is a bytes object."""
    python = pythons.need("3.15")
    process = target([python, "-c", "KEPT = [bytearray(5000) for _ in range(7)]\nprint('ready', flush=True)\nimport time\ntime.sleep(60)"])
    rows = holders(dump_graph, process.pid, "bytes")
    assert sum(row[0] == "" and row[1:3] == ("bytearray", "buffer") for row in rows) >= 7
