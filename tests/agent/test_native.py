"""Native frames: unwind rules against readelf, chains against the C library's backtrace, on the oldest and newest Python."""
import json
import os
import platform
import shutil
import subprocess

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="register names of this processor")


def ask(probe, python, *words):
    command = [python, os.path.join(HERE, "ask_native_probe.py"), probe, *words]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def is_whole(chain, least):
    """The C library goes on to a frame or two behind the outermost one that has a caller."""
    return chain["same"] and chain["depth"] >= least and 0 <= chain["left"] <= 1


def test_chains_are_those_of_the_c_library(probe, any_python):
    answer = ask(probe, any_python, "chains")
    assert is_whole(answer["here"], 8), answer
    assert is_whole(answer["deep"], answer["here"]["depth"] + 8), answer
    assert len(answer["sorted"]) == 2 and all(is_whole(chain, 10) for chain in answer["sorted"])
    assert answer["qsort"] and all(is_whole(chain, 12) for chain in answer["qsort"])
    assert is_whole(answer["thread"][0], 8)


def rows_of(library, keep):
    """Every row of the library's unwind tables, as readelf interprets them."""
    text = subprocess.run(["readelf", "--debug-dump=frames-interp", library], capture_output=True, text=True).stdout
    names, rows, inside = [], [], False
    for line in text.splitlines():
        words = line.split()
        if "FDE" in words or "CIE" in words:
            inside = "FDE" in words
        elif words[:1] == ["LOC"]:
            names = words[1:]
        elif inside and words and len(words) == len(names) + 1 and len(words[0]) == 16:
            row = dict(zip(names, words[1:]))
            rows.append({"at": int(words[0], 16), "cfa": row["CFA"], "ra": row["ra"], "rbp": row.get("rbp", "u")})
    return rows[::max(1, len(rows) // keep)]


@pytest.mark.skipif(not shutil.which("readelf"), reason="no binutils here")
def test_rules_are_those_of_readelf(probe, newest_python, tmp_path):
    with open("/proc/self/maps") as stream:
        library = next(line.split()[-1] for line in stream if "/libc.so.6" in line or "/libc-2" in line)
    system_python = "/usr/bin/python3" if os.path.exists("/usr/bin/python3") else newest_python
    rows = rows_of(library, 4000)
    (tmp_path / "rows.json").write_text(json.dumps(rows))
    answer = ask(probe, system_python, "rules", library, str(tmp_path / "rows.json"))
    assert answer["wrong"] == [], answer["wrong_count"]
    assert answer["right"] > 3000 and answer["unknown"] < 0.05 * len(rows), answer
