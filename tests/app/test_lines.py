"""The sampler beside the heap of a process that runs: which lines allocated what grows, what lives, what is asked for."""
import os
import subprocess
import textwrap
import time

import pytest

import verdict as verdicts

SERVICE = """
    import json, sys, time
    class Session:
        def __init__(self, number):
            self.number = number
            self.data = bytearray(3000)  # data
    STORE = {}
    RECENT = []
    def put(number):
        STORE[number] = Session(number)  # put
    def churn(number):
        RECENT.append(json.dumps([number] * 400))  # churn
        del RECENT[:-50]
    print("ready", flush=True)
    number, end = 0, time.time() + 120
    while time.time() < end:
        put(number)
        churn(number)
        number += 1
        time.sleep(0.002)
"""


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "service.py"
    file.write_text(textwrap.dedent(SERVICE).lstrip())
    return str(file)


def columns_of(path, expression):
    """Begin and end, of the first line that has it."""
    with open(path) as stream:
        column = next(text.index(expression) for text in stream if expression in text)
    return column, column + len(expression)


def line_of(path, mark):
    with open(path) as stream:
        return next(number for number, text in enumerate(stream, 1) if text.rstrip().endswith("# " + mark))


@pytest.mark.parametrize("python", ["3.9", "3.11", "3.14"], indirect=True)
def test_leaks_with_lines(caulk, target, path, python):
    service = target([python, path])
    result = verdicts.run(caulk, "leaks", service.pid, "--lines", "--seconds", 8, "--json", "-", timeout=100)
    verdict = result.json()
    assert not [note for note in verdict["notes"] if "no allocation lines" in note], verdict["notes"]
    finding = verdict["findings"][0]
    assert finding["holder"]["path"] == "__main__.STORE"
    lines = [(line["file"], line["line"]) for line in finding["allocated_at"]]
    assert lines[0] == (path, line_of(path, "data")) and finding["allocated_at"][0]["share"] > 0.7
    extent = [finding["allocated_at"][0].get(key) for key in ("end_line", "column", "end_column")]
    old = verdict["target"]["python"].startswith("3.9.")
    assert extent == ([None] * 3 if old else [line_of(path, "data"), *columns_of(path, "bytearray(3000)")])
    assert (path, line_of(path, "churn")) not in lines, "what comes and goes elsewhere is not of this finding"
    assert abs(sum(line["share"] for line in finding["allocated_at"]) - 1) < 0.05
    assert [(line["file"], line["line"]) for line in finding["written_by"]] == [(path, line_of(path, "put"))]
    assert service.alive()


def test_without_the_sampler_it_is_said_who_writes(caulk, target, path, newest_python):
    service = target([newest_python, path])
    result = verdicts.run(caulk, "leaks", service.pid, "--seconds", 6, timeout=100)
    assert "written by" in result.stdout and "service.py:%d" % line_of(path, "put") in result.stdout
    assert "\n  allocated" not in result.stdout
    with open("/proc/%d/maps" % service.pid) as maps:
        assert "caulk" not in maps.read(), "without --lines nothing is put in"


def test_lines_that_cannot_be_had_are_a_note_and_not_a_failure(caulk, target, path, newest_python, tmp_path):
    service = target([newest_python, path])
    result = verdicts.run(caulk, "leaks", service.pid, "--lines", "--seconds", 4, "--json", "-", timeout=100,
                          env={"CAULK_AGENT_LIBRARY": str(tmp_path / "none.so")})
    verdict = result.json()
    assert [note for note in verdict["notes"] if note.startswith("no allocation lines: ")], verdict["notes"]
    assert verdict["findings"][0]["allocated_at"] == []


def test_why_and_top_of_a_sampled_process(caulk, newest_python, path, tmp_path):
    environment = dict(os.environ, TMPDIR=str(tmp_path))
    run = subprocess.Popen([caulk, "run", "--quiet", "--interval", "2048", "--budget", "100", "--python", newest_python, path],
                           stdout=subprocess.PIPE, text=True, env=environment, start_new_session=True)
    try:
        assert run.stdout.readline() == "ready\n"
        time.sleep(2)
        recording, = tmp_path.glob("caulk-run-*/**/[0-9]*recording")
        pid = int(recording.name.split(".")[0])
        why = verdicts.run(caulk, "why", pid, "bytearray", "--limit", 2, "--json", "-", expect=[0]).json()
        assert why["allocated_at"][0]["line"] == line_of(path, "data") and why["allocated_at"][0]["share"] > 0.9
        shown, = {(row["allocated_at"]["file"], row["allocated_at"]["line"]) for row in why["paths"]}
        assert shown == (path, line_of(path, "data"))
        columns = columns_of(path, "bytearray(3000)")
        shown = [why["allocated_at"][0], *(row["allocated_at"] for row in why["paths"])]
        assert {(row["column"], row["end_column"]) for row in shown} == {columns}
        assert all(0 <= row["age_seconds"] < 60 for row in why["paths"])
        text = verdicts.run(caulk, "why", pid, "bytearray", "--limit", 1, expect=[0]).stdout
        assert "allocated at, by" in text and "s ago at %s:%d" % (path, line_of(path, "data")) in text
        top = verdicts.run(caulk, "top", pid, "--limit", 5, "--json", "-", expect=[0]).json()
        first = top["lines"][0]
        assert (first["file"], first["line"], top["lines_exact"]) == (path, line_of(path, "data"), False)
        assert (first["column"], first["end_column"]) == columns
        assert 0.5 < first["live_bytes"] / (why["matches"] * 3000) < 3
    finally:
        run.terminate()
        run.communicate(timeout=60)
