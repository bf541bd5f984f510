"""The sampler reads frames, lines and names as Python itself does, on every Python that is here."""
import json
import os
import subprocess

import pytest

import pythons

HERE = os.path.dirname(os.path.abspath(__file__))


def ask(python, probe, *options, **environment):
    return subprocess.run([python, *options, os.path.join(HERE, "ask_stack_probe.py"), probe], capture_output=True, text=True,
                          timeout=60, env=dict(os.environ, PYTHONIOENCODING="utf-8", **environment))


@pytest.fixture(scope="module")
def answer(python, probe):
    result = ask(python, probe)
    if pythons.is_free_threaded(python):
        assert "assert probe.probe_begin()" in result.stderr
        pytest.skip("the sampler refuses a free-threaded build")
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def has_columns(python):
    return tuple(map(int, pythons.version_of(python).split(".")[:2])) >= (3, 11)


def test_every_instruction_of_the_standard_library_has_pythons_position(answer, python):
    assert answer["lines"]["asked"] > 50000
    assert answer["lines"]["wrong"] == []
    assert (answer["lines"]["columns"] > 50000) is has_columns(python)
    assert (answer["lines"]["many_lines"] > 1000) is has_columns(python)


@pytest.mark.parametrize("options, environment", [(["-X", "no_debug_ranges"], {}), ([], {"PYTHONNODEBUGRANGES": "1"})],
                         ids=["option", "environment"])
def test_columns_that_python_was_told_to_leave_out_are_unknown(newest_python, probe, options, environment):
    answer = json.loads(ask(newest_python, probe, *options, **environment).stdout)
    assert answer["lines"]["asked"] > 50000 and answer["lines"]["columns"] == 0
    assert answer["lines"]["wrong"] == []
    assert [position[2:] for position in answer["lambdas"][0]] == [[-1, -1], [-1, -1]]


def test_lambdas_of_one_line_are_two_places(answer, python):
    found, right = answer["lambdas"]
    assert found == right
    assert (found[0] != found[1]) is has_columns(python)


def test_ever_new_code_of_one_name_and_line_takes_room_eight_times(answer, python):
    assert answer["stacks"]["variants"] == (8 if has_columns(python) else 1)


@pytest.mark.parametrize("where", ["here", "deep", "deeper", "generator", "coroutine"])
def test_calls_are_those_of_the_frames(answer, where):
    assert answer[where] is True


def test_calls_of_a_thread_are_its_own(answer):
    assert answer["thread"] == [[True, True, True, True]]


def test_a_place_is_one_stack_and_another_place_another(answer):
    assert answer["stacks"]["same"] == 1 and answer["stacks"]["other"]


def test_names_are_whole_whatever_their_alphabet(answer):
    words = answer["stacks"]["words"]
    file, function, line = words[0][:3]
    assert file == answer["file"] and line == answer["line_of_méthode"]
    assert function in ("Ünïcode名.méthode", "méthode")  # the qualified name is in the code object from 3.11 on
    assert words[-1][1] == "MainThread" and words[-2][1] == "<module>"


def test_code_that_is_compiled_again_takes_no_room_again(answer):
    assert answer["stacks"]["grown"] <= 4
