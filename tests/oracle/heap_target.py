"""A heap of everything, standing still, that tells the truth about itself when asked.

Prints "ready PID MODULES FROZEN KINDS", then obeys lines on standard input:
    dump PATH    writes the oracle to PATH and prints "dumped"
    quit
The collector is off and every thread sleeps, so the heap is the same whenever a picture of it is taken; what the dump itself
makes comes after its list of all objects and is never in it. The oracle is a file of packed records:
    "O" id size referents-count flags name-length name [referent ids]      flags: 1 collected, 2 heap type, 4 split attributes, 8 a type
All numbers are unsigned 64-bit but the two lengths, which are 32-bit; see read_oracle in oracle.py.
"""
import array
import gc
import os
import struct
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import true_size  # noqa: E402

HEADER = struct.Struct("<QQIII")
MANAGED_DICT = 1 << 4
HEAP_TYPE = 1 << 9
TYPE_SUBCLASS = 1 << 31
COLLECTED, IS_HEAP_TYPE, SPLIT, IS_TYPE = 1, 2, 4, 8

MODULES = """abc aifc argparse array ast asyncio atexit base64 bdb binascii bisect bz2 calendar cProfile cgi chunk cmath cmd code codecs codeop
collections collections.abc colorsys compileall concurrent.futures concurrent.futures.process concurrent.futures.thread configparser
contextlib contextvars copy copyreg csv ctypes ctypes.util dataclasses datetime dbm decimal difflib dis doctest email email.message
email.mime.multipart email.mime.text email.parser email.policy encodings.idna encodings.utf_16 ensurepip enum errno faulthandler fcntl
filecmp fileinput fnmatch fractions ftplib functools gc genericpath getopt getpass gettext glob graphlib grp gzip hashlib heapq hmac html
html.entities html.parser http http.client http.cookiejar http.cookies http.server imaplib imp importlib importlib.abc importlib.machinery
importlib.metadata importlib.resources importlib.util inspect io ipaddress itertools json json.tool keyword linecache locale logging
logging.config logging.handlers lzma mailbox mailcap marshal math mimetypes mmap modulefinder multiprocessing multiprocessing.managers
multiprocessing.pool multiprocessing.shared_memory netrc ntpath numbers opcode operator optparse os os.path pathlib pdb pickle
pickletools pkgutil platform plistlib poplib posixpath pprint profile pstats pty pwd py_compile pyclbr pydoc queue quopri random re
reprlib resource rlcompleter runpy sched secrets select selectors shelve shlex shutil signal site smtplib socket socketserver sqlite3
ssl stat statistics string stringprep struct subprocess symtable sysconfig syslog tabnanny tarfile tempfile termios textwrap threading
time timeit token tokenize tomllib trace traceback tracemalloc tty types typing unicodedata unittest unittest.mock urllib.error
urllib.parse urllib.request urllib.response urllib.robotparser uuid venv warnings wave weakref webbrowser wsgiref.handlers
wsgiref.simple_server wsgiref.validate xml.dom xml.dom.minidom xml.dom.pulldom xml.etree.ElementTree xml.sax xml.sax.expatreader
xmlrpc.client xmlrpc.server zipapp zipfile zipimport zlib zoneinfo""".split()


def import_modules():
    """How many modules of the standard library could be imported."""
    import importlib
    import warnings
    warnings.simplefilter("ignore")
    imported = 0
    for name in MODULES + ["flask", "sqlalchemy.orm"]:
        try:
            importlib.import_module(name)
            imported += name in MODULES
        except ImportError:
            pass
    return imported


def main():
    imported = import_modules()
    import exotic
    gc.disable()
    keep = [exotic.build()]
    kinds = 0
    if "--many" in sys.argv:
        import multitudes
        keep.append(multitudes.build())
        kinds = multitudes.count_kinds(gc.get_objects())
    warm_up()
    gc.collect()
    gc.collect()
    if "--freeze" in sys.argv:
        gc.freeze()
    os.write(1, b"ready %d %d %d %d\n" % (os.getpid(), imported, gc.get_freeze_count(), kinds))
    obey(keep)


def warm_up():
    """Code that runs often grows (3.9, 3.10): that of the dump has grown when the picture is taken."""
    with open(os.devnull, "wb") as stream:
        for one in gc.get_objects()[:2000] + true_size.samples() * 2000:
            write_record(stream, one, COLLECTED, set(), set(), [], set())


def obey(keep):
    """Waits for commands. Nothing that the collector tracks is made here before the list of all objects is taken."""
    while True:
        command = os.read(0, 4096)
        if not command.startswith(b"dump "):
            os._exit(0)
        objects = gc.get_objects()
        dump(objects, command[5:].strip())
        os.write(1, b"dumped\n")


def dump(objects, path):
    """Writes the oracle of `objects` and of all that can be reached from them without the collector knowing it."""
    mine, plain = {id(objects)}, set()
    known = set(map(id, objects))
    with open(path, "wb", buffering=1 << 20) as stream:
        pending = []
        for one in objects:
            write_record(stream, one, COLLECTED, known, mine, pending, plain)
        while pending:
            write_record(stream, pending.pop(), 0, known, mine, pending, plain)


def write_record(stream, one, flags, known, mine, pending, plain):
    """One record; referents that nobody has seen yet are put on `pending`, which keeps them alive until then."""
    kind = type(one)
    if kind.__flags__ & HEAP_TYPE:
        flags |= IS_HEAP_TYPE
    if kind.__flags__ & MANAGED_DICT:
        flags |= SPLIT
    if kind.__flags__ & TYPE_SUBCLASS:
        flags |= IS_TYPE
    size = true_size.true_size(one, plain)  # before the references are taken, which would be counted by some
    targets = array.array("Q")
    for referent in gc.get_referents(one):
        address = id(referent)
        if address in mine:
            continue
        targets.append(address)
        if address not in known:
            known.add(address)
            pending.append(referent)
    name = full_name(kind).encode()
    stream.write(b"O" + HEADER.pack(id(one), size, len(targets), flags, len(name)))
    stream.write(name)
    stream.write(targets.tobytes())  # not struct.pack: each new format would enter the cache of struct, which is in the heap


def full_name(kind):
    module = type.__dict__["__module__"].__get__(kind)
    return "%s.%s" % (module, type.__dict__["__qualname__"].__get__(kind)) if isinstance(module, str) else kind.__name__


if __name__ == "__main__":
    main()
