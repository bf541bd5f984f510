"""Every program in tests/programs, on every Python: does caulk say what the line "# expect:" says?"""
import glob
import os
import re

import pytest
import verdict as verdicts

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "programs")
PROGRAMS = sorted(os.path.basename(path)[:-3] for path in glob.glob(os.path.join(FOLDER, "[a-z]*.py")))


def expectation(path):
    """{"verdict": "leak", "kind": [accepted kinds], "path": [tokens in their order]} from the first line."""
    with open(path) as stream:
        line = stream.readline()
    assert line.startswith("# expect: "), "%s has no expectation in its first line" % path
    words = dict(re.findall(r"(\w+)=(\S*)", line))
    return {"verdict": words["verdict"], "kind": words.get("kind", "").split(","),
            "path": [token for token in words.get("path", "").split(",") if token]}


def test_there_are_programs_of_both_sorts():
    outcomes = [expectation(os.path.join(FOLDER, name + ".py"))["verdict"] for name in PROGRAMS]
    assert outcomes.count("leak") >= 10 and outcomes.count("no-leak") >= 4


@pytest.mark.parametrize("name", PROGRAMS)
def test_program(caulk, python, target, name):
    path = os.path.join(FOLDER, name + ".py")
    expected = expectation(path)
    program = target([python, path])
    verdict = verdicts.leaks(caulk, program.pid, 5)
    words = verdicts.summary(verdict)
    assert verdict["verdict"] == expected["verdict"], words
    if expected["verdict"] == "leak":
        first = verdict["findings"][0]
        assert verdicts.in_order(expected["path"], verdicts.path_of(first)), words
        assert first["kind"] in expected["kind"], words
    else:
        assert not [f for f in verdict["findings"] if f["confidence"] == "certain"], words
    assert program.alive() and not program.errors(), program.errors()
