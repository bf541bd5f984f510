"""Every program in tests/programs, on every Python: does caulk say what the line "# expect:" says?"""
import glob
import os
import re

import pytest
import verdict as verdicts

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "programs")
PROGRAMS = sorted(os.path.basename(path)[:-3] for path in glob.glob(os.path.join(FOLDER, "[a-z]*.py")))

BEYOND_OBJECTS = ("native-leak", "native-growth", "fragmentation", "child-process")  # of which these programs do nothing


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


def complaint(verdict, expected):
    """What is wrong with the verdict, None if nothing is."""
    words = verdicts.summary(verdict)
    if verdict["verdict"] != expected["verdict"]:
        return words
    if expected["verdict"] != "leak":
        return words if [f for f in verdict["findings"] if f["confidence"] == "certain"] else None
    if [finding for finding in verdict["findings"] if finding["kind"] in BEYOND_OBJECTS]:
        return words
    first = verdict["findings"][0]
    right = verdicts.in_order(expected["path"], verdicts.path_of(first)) and first["kind"] in expected["kind"]
    return None if right else words


@pytest.mark.parametrize("name", PROGRAMS)
def test_program(caulk, python, target, name):
    """Five seconds are short on a machine that is busy with other things: who fails gets a second, longer look."""
    path = os.path.join(FOLDER, name + ".py")
    expected = expectation(path)
    program = target([python, path])
    wrong = complaint(verdicts.leaks(caulk, program.pid, 5), expected)
    if wrong:
        print("not in 5 seconds:", wrong)
        wrong = complaint(verdicts.leaks(caulk, program.pid, 12), expected)
    assert not wrong, wrong
    assert program.alive() and not program.errors(), program.errors()
