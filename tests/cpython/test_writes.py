"""What bytecode says of the places that put something into a container, in each version, specialised or not."""
import os
import re
import subprocess

PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "writing_program.py")


def expected():
    """(line, how, expression, method) of every mark in the program."""
    found = set()
    with open(PROGRAM) as stream:
        for number, text in enumerate(stream, 1):
            mark = re.search(r"# write: (.*)$", text)
            for words in mark.group(1).split(" | ") if mark else ():
                how, expression, *method = words.split()
                if how == "attribute":
                    method = ["STORE"]
                found.add((number, how, expression, (method or [""])[0]))
    return found


def writes(dump_graph, pid, name):
    out = subprocess.run([dump_graph, str(pid), "=" + name], capture_output=True, text=True, timeout=60, check=True).stdout
    for line in out.splitlines():
        _, number, how, expression, method, function = line.split(" ", 5)
        yield int(number), how, expression, method, function


def test_every_mark_is_found_and_nothing_else(dump_graph, python, target):
    program = target([python, PROGRAM])
    found = {(line, how, expression, method) for line, how, expression, method, _ in writes(dump_graph, program.pid, "STORE")}
    # A module's own code runs once and is dropped with its frame in some versions only.
    marks = {mark for mark in expected() if mark[0] < module_begins()}
    assert {mark for mark in found if mark[0] < module_begins()} == marks


def module_begins():
    with open(PROGRAM) as stream:
        for number, text in enumerate(stream, 1):
            if text.startswith('STORE["lists"]'):
                return number


def test_captured_and_local_variables(dump_graph, newest_python, target):
    program = target([newest_python, PROGRAM])
    found = {(how, expression, method) for _, how, expression, method, function in writes(dump_graph, program.pid, "")
             if function.endswith("inner")}
    assert ("method", "captured", "append") in found
