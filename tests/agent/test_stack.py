"""The sampler reads frames, lines and names as Python itself does, on every Python that is here."""
import json
import os
import subprocess

import pytest

import pythons

HERE = os.path.dirname(os.path.abspath(__file__))


@pytest.fixture(scope="module")
def answer(python, caulk):
    probe = os.path.join(os.path.dirname(caulk), "tests/agent/libstack_probe.so")
    result = subprocess.run([python, os.path.join(HERE, "ask_stack_probe.py"), probe], capture_output=True, text=True,
                            timeout=60, env=dict(os.environ, PYTHONIOENCODING="utf-8"))
    if pythons.version_of(python).endswith("t"):
        assert "assert probe.probe_begin()" in result.stderr
        pytest.skip("the sampler refuses a free-threaded build")
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_every_instruction_of_the_standard_library_has_pythons_line(answer):
    assert answer["lines"]["asked"] > 50000
    assert answer["lines"]["wrong"] == []


@pytest.mark.parametrize("where", ["here", "deep", "deeper", "generator", "coroutine"])
def test_calls_are_those_of_the_frames(answer, where):
    assert answer[where] is True


def test_calls_of_a_thread_are_its_own(answer):
    assert answer["thread"] == [[True, True, True, True]]


def test_a_place_is_one_stack_and_another_place_another(answer):
    assert answer["stacks"]["same"] == 1 and answer["stacks"]["other"]


def test_names_are_whole_whatever_their_alphabet(answer):
    words = answer["stacks"]["words"]
    file, function, line = words[0]
    assert file == answer["file"] and line == answer["line_of_méthode"]
    assert function in ("Ünïcode名.méthode", "méthode")  # the qualified name is in the code object from 3.11 on
    assert words[-1][1] == "MainThread" and words[-2][1] == "<module>"


def test_code_that_is_compiled_again_takes_no_room_again(answer):
    assert answer["stacks"]["grown"] <= 4
