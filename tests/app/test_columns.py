"""Reports tell which expression of a line allocated, where Python has columns: from 3.11 on."""
import json
import os
import subprocess

import pytest

import pythons

PROGRAM = """\
KEPT = []
def keep(n):
    é = KEPT.append([str(n), bytes(5000), (n, n)])  # dense
\tif n == 0: KEPT.append(bytes(  # long
        70000))
\treturn len(KEPT)
for number in range(100):
    keep(number)
""".replace("    é", "\té")


@pytest.fixture
def program(tmp_path):
    path = tmp_path / "program.py"
    path.write_text(PROGRAM, encoding="utf-8")
    return str(path)


def ask(caulk, *words, **environment):
    done = subprocess.run([caulk, *words], capture_output=True, text=True, timeout=60, env=dict(os.environ, **environment))
    assert done.returncode == 0, done.stderr
    return done.stdout


def number_of(mark):
    return next(number for number, text in enumerate(PROGRAM.split("\n"), 1) if text.endswith("# " + mark))


def extent_of(mark, first, last=None):
    """[end line, column, end column] of the text from `first` in the marked line to `last` in the next one."""
    number = number_of(mark)
    lines = PROGRAM.encode().split(b"\n")
    column = lines[number - 1].index(first.encode())
    if last is None:
        return [number, column, column + len(first)]
    return [number + 1, column, lines[number].index(last.encode()) + len(last)]


def extent_in(lines, path, mark):
    line, = [line for line in lines if line.get("file", path) == path and line["line"] == number_of(mark)]
    return [line.get("end_line"), line.get("column"), line.get("end_column")]


@pytest.mark.parametrize("minor", pythons.MINORS)
def test_the_expression_that_holds_most(caulk, program, minor):
    found, = json.loads(ask(caulk, "lines", "--interval", "1", "--json", "-", "--python", pythons.need(minor), program))["files"]
    assert found["file"] == program
    if minor in ("3.9", "3.10"):
        assert not [line for line in found["lines"] if {"end_line", "column", "end_column"} & set(line)]
        return
    assert extent_in(found["lines"], program, "dense") == extent_of("dense", "bytes(5000)")
    assert extent_in(found["lines"], program, "long") == extent_of("long", "bytes(", "70000)")


def test_run_has_it_by_either_rule_and_from_a_kept_recording(caulk, newest_python, program, tmp_path):
    report, kept = tmp_path / "report.json", str(tmp_path / "kept.rec")
    ask(caulk, "run", "--quiet", "--every-byte", "--json", str(report), "-o", kept, "--python", newest_python, program)
    part, = json.loads(report.read_text())["processes"]
    again, = json.loads(ask(caulk, "lines", "--json", "-", kept))["files"]
    for lines in (part["lines"], part["own_lines"], again["lines"]):
        assert extent_in(lines, program, "dense") == extent_of("dense", "bytes(5000)")
        assert extent_in(lines, program, "long") == extent_of("long", "bytes(", "70000)")


def test_it_is_underlined_where_a_line_has_several(caulk, newest_python, program):
    rows = ask(caulk, "lines", "--interval", "1", "--python", newest_python, program).split("\n")
    row = next(i for i, text in enumerate(rows) if text.endswith("# dense"))
    begin = rows[row].index("bytes(5000)")
    assert rows[row + 1] == " " * begin + "~" * len("bytes(5000)")
    assert not [text for text in rows if "~" in text and text.strip(" ~")], "nothing else stands in such a row"
    alone = next(i for i, text in enumerate(rows) if text.endswith("KEPT = []"))
    assert "~" not in rows[alone + 1]


def test_without_columns_there_are_none(caulk, newest_python, program):
    words = ["lines", "--interval", "1", "--python", newest_python, program]
    assert "~" not in ask(caulk, *words, PYTHONNODEBUGRANGES="1")
    found, = json.loads(ask(caulk, *words[:1], "--json", "-", *words[1:], PYTHONNODEBUGRANGES="1"))["files"]
    assert extent_in(found["lines"], program, "dense") == [None, None, None]
