"""House rules that a machine can check: sizes, opening comments, versions in one place, no mutable globals."""
import os
import re
import shutil
import subprocess

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SOURCE = os.path.join(ROOT, "src")

FUNCTION_LINES = 60
FILE_LINES = 500


def sources(tree):
    for folder, _, names in os.walk(tree):
        for name in sorted(names):
            if name.endswith((".c", ".h")):
                yield os.path.relpath(os.path.join(folder, name), tree).replace(os.sep, "/")


def read(tree, path):
    with open(os.path.join(tree, path)) as stream:
        return stream.read()


def without_comments(text):
    """The same text, comments and literals emptied, lines kept."""
    pattern = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)
    return pattern.sub(lambda match: "\n" * match.group().count("\n"), text)


def functions(text):
    """(first line, lines, body) of every function: a line that ends in ") {" at column 0, up to "}" at column 0."""
    lines = without_comments(text).split("\n")
    begin = None
    for number, line in enumerate(lines):
        if begin is None and line and not line[0].isspace() and line.rstrip().endswith(") {"):
            begin = number
        elif begin is None and line.rstrip().endswith(") {") and number and lines[number - 1][:1].strip():
            begin = number - 1 if not lines[number - 1].rstrip().endswith((";", "}")) else None
        elif begin is not None and line.startswith("}"):
            yield begin + 1, number - begin + 1, "\n".join(lines[begin:number])
            begin = None


def is_switch(body):
    """A function that is one switch: its cases are most of its lines."""
    lines = [line.strip() for line in body.split("\n") if line.strip()]
    return sum(line.startswith(("case ", "default:", "CASE")) for line in lines) * 3 > len(lines)


def long_functions(tree):
    return ["%s:%d: %d lines" % (path, begin, count) for path in sources(tree)
            for begin, count, body in functions(read(tree, path)) if count > FUNCTION_LINES and not is_switch(body)]


def long_files(tree):
    """layout_rows.h is generated; a table may be as long as it must."""
    return ["%s: %d lines" % (path, read(tree, path).count("\n")) for path in sources(tree)
            if not path.startswith("cpython/layout") and read(tree, path).count("\n") >= FILE_LINES]


def files_without_opening(tree):
    return [path for path in sources(tree) if not read(tree, path).startswith("/* ")]


VERSION = re.compile(r"\b0x030[0-9a-f]{5}\b|PY_VERSION|\bversion\s*[<>]=?\s*\d|\b3\.(?:[6-9]|1[0-9])\b")


def versions_outside_layout(tree):
    found = []
    for path in sources(tree):
        if path.startswith("cpython/layout"):
            continue
        # In words a version is an example ("3.11.7"); in code it is a decision.
        for number, line in enumerate(without_comments(read(tree, path)).split("\n"), 1):
            if VERSION.search(line):
                found.append("%s:%d: %s" % (path, number, line.strip()))
    return found


def test_functions_are_short():
    assert long_functions(SOURCE) == []


def test_files_are_short():
    assert long_files(SOURCE) == []


def test_every_file_says_what_it_is_for():
    assert files_without_opening(SOURCE) == []


def test_versions_are_known_to_the_layout_only():
    assert versions_outside_layout(SOURCE) == []


# Constants that only relocation makes writable are in .data.rel.ro; error.c keeps one error for when memory is out.
KNOWN_GLOBALS = {"out_of_memory"}


def mutable_globals(binary, own):
    """Names in .data and .bss of `binary` whose object file is of ours."""
    listing = subprocess.run(["nm", "--defined-only", "--line-numbers", binary], capture_output=True, text=True, check=True)
    found = []
    for line in listing.stdout.splitlines():
        fields = line.split(None, 3)
        if len(fields) >= 3 and fields[1] in "dDbBgGsS" and len(fields) == 4 and own in fields[3]:
            found.append(fields[2])
    return sorted(name for name in set(found) if name.split(".")[0] not in KNOWN_GLOBALS)


def is_in_read_only_data(binary):
    """Names whose section the loader makes read-only after relocation."""
    listing = subprocess.run(["objdump", "-t", binary], capture_output=True, text=True, check=True)
    return {line.split()[-1] for line in listing.stdout.splitlines() if ".data.rel.ro" in line}


@pytest.mark.skipif(not shutil.which("nm") or not shutil.which("objdump"), reason="no binutils here")
def test_no_mutable_globals(caulk):
    constants = is_in_read_only_data(caulk)
    assert [name for name in mutable_globals(caulk, "src/") if name not in constants] == []


def make(tree, path, text):
    file = tree / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def test_the_checks_see_what_they_should(tmp_path):
    make(tmp_path, "base/long.c", "/* Long. */\nint f(void) {\n" + "    g();\n" * 60 + "}\n")
    make(tmp_path, "base/wrapped.c", "/* Long. */\nint f(int a,\n      int b) {\n" + "    g();\n" * 60 + "}\n")
    make(tmp_path, "base/switch.c", "/* A table. */\nint f(int a) {\n" + "    case 1: return 2;\n" * 70 + "}\n")
    make(tmp_path, "base/short.c", "/* Short. */\nint f(void) {\n" + "    g();\n" * 57 + "}\n" + "int a;\n" * 300)
    make(tmp_path, "base/huge.c", "/* Huge. */\n" + "int a;\n" * 499)
    make(tmp_path, "graph/bare.c", "int a;\n")
    make(tmp_path, "graph/version.c", "/* 3.11 is an example. */\nif (hexversion >= 0x030b0000)\n    a = \"3.11\";\n")
    make(tmp_path, "cpython/layout.c", "/* Rows. */\nint a = 0x030b0000;\n")
    tree = str(tmp_path)
    assert [line.split(":")[0] for line in long_functions(tree)] == ["base/long.c", "base/wrapped.c"]
    assert [line.split(":")[0] for line in long_files(tree)] == ["base/huge.c"]
    assert files_without_opening(tree) == ["graph/bare.c"]
    assert [line.split(":")[0] for line in versions_outside_layout(tree)] == ["graph/version.c"]
