"""caulk run --native-stacks: which C functions asked for memory, under the Python line that called them."""
import json
import os
import platform
import shutil
import subprocess
import textwrap

import pytest

import pythons
import recording as recordings

HERE = os.path.dirname(os.path.abspath(__file__))
# A block is so much larger than the interval that each one is a sample, and counts as one.
BLOCK, BLOCKS, INTERVAL = 1000000, 20, 8192
CHAIN = ["chain_c", "chain_b", "chain_a"]

# How a library may be built: what tells where its callers are.
BUILDS = {
    "tables": ["-O2", "-fomit-frame-pointer", "-fasynchronous-unwind-tables"],
    "pointers": ["-O2", "-fno-omit-frame-pointer", "-fno-asynchronous-unwind-tables", "-fno-unwind-tables"],
    "both": ["-O2", "-fno-omit-frame-pointer", "-fasynchronous-unwind-tables"],
    "plain": ["-O0"],
}

PROGRAM = """
    import ctypes
    library = ctypes.PyDLL({library!r})
    library.chain_a.argtypes = [ctypes.c_size_t]
    library.chain_a.restype = ctypes.c_void_p
    library.chain_trash.argtypes = [ctypes.c_size_t, ctypes.c_size_t]
    library.chain_trash.restype = ctypes.c_void_p
    CALLBACK = ctypes.PYFUNCTYPE(None)

    def make():
        return library.chain_a({block})  # made here

    def key(number):
        make()
        return number

    def deep(levels):
        return deep(levels - 1) if levels else make()

    def main():
        {body}

    main()
"""


@pytest.fixture
def library(tmp_path):
    def build(kind):
        out = str(tmp_path / ("libnative_chain_%s.so" % kind))
        subprocess.run(["cc", *BUILDS[kind], "-fPIC", "-shared", "-o", out, os.path.join(HERE, "native_chain.c")], check=True)
        return out
    return build


@pytest.fixture
def run(caulk, tmp_path):
    """The report of the program, and the lines of its own that it has."""
    def run(python, library, body, *options):
        script = tmp_path / "program.py"
        script.write_text(textwrap.dedent(PROGRAM).lstrip().format(library=library, block=BLOCK, body=body))
        command = [caulk, "run", "--interval", str(INTERVAL), "--budget", "100", "--native-stacks", "--watch", "0",
                   "--json", str(tmp_path / "report.json"),
                   "--python", python, *options, str(script)]
        result = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=str(tmp_path))
        assert result.returncode == 0, result.stderr
        return json.loads((tmp_path / "report.json").read_text()), result.stderr
    return run


def chains_of(report):
    """The native chains of the line of make(), with their functions innermost first."""
    lines = [line for line in report["processes"][0]["own_lines"] if line["function"] == "make"]
    assert len(lines) == 1, [line["function"] for line in report["processes"][0]["own_lines"]]
    return [([frame["function"] for frame in chain["frames"]], chain) for chain in lines[0].get("native", [])]


@pytest.mark.parametrize("kind", sorted(BUILDS))
def test_the_functions_that_asked_are_told(run, library, any_python, kind):
    path = library(kind)
    report, text = run(any_python, path, "[make() for _ in range(%d)]" % BLOCKS)
    chains = [chain for functions, chain in chains_of(report) if functions[:3] == CHAIN]
    assert sum(chain["live_bytes"] for chain in chains) == BLOCK * BLOCKS
    assert sum(chain["live_count"] for chain in chains) == BLOCKS
    assert all(frame["native"] is True for chain in chains for frame in chain["frames"])
    assert {frame["module"] for chain in chains for frame in chain["frames"][:3]} == {path}
    assert "chain_c ← chain_b ← chain_a · %s" % os.path.basename(path) in text


def calls_of(made, node):
    while node:
        frame = made.frames[node]
        file, function, _ = made.place(frame)
        yield frame.kind, os.path.basename(file) if frame.kind == recordings.NATIVE else function
        node = frame.parent


def mixed_stack(path, function):
    """[(kind, name)] of the stack with most bytes in this function, innermost first; of native frames the file's name."""
    made = recordings.Recording(path)
    assert made.flags & recordings.NATIVE_STACKS
    stacks = [(stack.total_bytes, list(calls_of(made, stack.frame))) for stack in made.stacks]
    return max((stack for stack in stacks if (recordings.PYTHON, function) in stack[1]))[1]


def sampled(caulk, python, script, out):
    """The recording of a program with native stacks, as the sampler leaves it."""
    environment = dict(os.environ, LD_PRELOAD=os.path.join(os.path.dirname(caulk), "libcaulk_agent.so"),
                       CAULK_AGENT="file=%s budget=100 interval=%d native=2" % (out, INTERVAL))
    subprocess.run([python, script], check=True, timeout=60, env=environment)
    return out


@pytest.mark.parametrize("python", pythons.MINORS, indirect=True)
def test_c_frames_stand_between_the_python_frames_that_they_join(caulk, python, library, tmp_path):
    path, script = library("tables"), tmp_path / "program.py"
    script.write_text(textwrap.dedent(PROGRAM).lstrip().format(library=path, block=BLOCK,
                                                               body="library.chain_call(CALLBACK(make))"))
    calls = mixed_stack(sampled(caulk, python, str(script), str(tmp_path / "mixed.recording")), "make")
    name = os.path.basename(path)
    assert calls[:3] == [(recordings.NATIVE, name)] * 3
    python_frames = [function for kind, function in calls if kind == recordings.PYTHON]
    assert python_frames == ["make", "main", "<module>"]
    make, main = calls.index((recordings.PYTHON, "make")), calls.index((recordings.PYTHON, "main"))
    assert [call for call in calls[make:main] if call[1] == name] == [(recordings.NATIVE, name)]
    assert calls[-1] == (recordings.THREAD, "MainThread")


def test_native_frames_never_push_out_python_frames(caulk, any_python, library, tmp_path):
    path, script = library("tables"), tmp_path / "program.py"
    script.write_text(textwrap.dedent(PROGRAM).lstrip().format(library=path, block=BLOCK, body="deep(200)"))
    calls = mixed_stack(sampled(caulk, any_python, str(script), str(tmp_path / "deep.recording")), "make")
    assert calls[:3] == [(recordings.NATIVE, os.path.basename(path))] * 3
    python_frames = [function for kind, function in calls if kind == recordings.PYTHON]
    assert python_frames == ["make"] + ["deep"] * 201 + ["main", "<module>"]


@pytest.mark.skipif(platform.machine() != "x86_64", reason="written for this processor")
def test_a_frame_pointer_that_leads_nowhere_ends_the_chain_and_not_the_program(run, library, any_python):
    pointers = [0, 1, 8, 0x4141414141414141, 2 ** 64 - 8, 2 ** 47 - 4096, "id(main)", "id(main) + 3"]
    body = "[library.chain_trash(%d, pointer) for pointer in (%s)]" % (BLOCK, ", ".join(map(str, pointers)))
    for kind in ("tables", "pointers"):
        report, _ = run(any_python, library(kind), body)
        lines = [line for line in report["processes"][0]["own_lines"] if line["function"] in ("main", "<listcomp>", "main.<locals>.<listcomp>")]
        assert sum(line["live_bytes"] for line in lines) >= BLOCK * len(pointers)
        chains = [[frame["function"] for frame in chain["frames"]] for line in lines for chain in line.get("native", [])]
        assert any(chain[:3] == CHAIN for chain in chains), chains


def places_of(library):
    """name -> (begin, end) of its functions"""
    text = subprocess.run(["nm", "--print-size", library], capture_output=True, text=True, check=True).stdout
    rows = [line.split() for line in text.splitlines()]
    return {row[3]: (int(row[0], 16), int(row[0], 16) + int(row[1], 16)) for row in rows if len(row) == 4}


@pytest.mark.skipif(not shutil.which("strip"), reason="no binutils here")
def test_a_stripped_library_is_told_by_its_offsets(run, library, newest_python):
    path = library("tables")
    places, name = places_of(path), os.path.basename(path)
    subprocess.run(["strip", path], check=True)
    report, _ = run(newest_python, path, "[make() for _ in range(%d)]" % BLOCKS)
    functions, chain = chains_of(report)[0]
    assert functions[2] == "chain_a", "exported names stay"
    for frame, function in zip(chain["frames"], CHAIN):
        begin, end = places[function]
        assert begin <= frame["address"] < end
    assert functions[:2] == ["%s+0x%x" % (name, frame["address"]) for frame in chain["frames"][:2]]


def test_a_file_that_is_another_one_now_gives_no_names(run, library, newest_python, tmp_path):
    path, name = library("tables"), os.path.basename(library("tables"))
    other = library("plain")
    report, _ = run(newest_python, path, "[make(), __import__('os').replace(%r, %r)]" % (other, path))
    functions, _ = chains_of(report)[0]
    assert all(function.startswith(name + "+0x") for function in functions[:3]), functions


def line_under_make(caulk, recording):
    """What caulk lines shows below the line that makes blocks."""
    text = subprocess.run([caulk, "lines", recording], capture_output=True, text=True, check=True, timeout=60).stdout
    rows = text.splitlines()
    return rows[next(i for i, row in enumerate(rows) if "# made here" in row) + 1]


def test_a_recording_as_the_sampler_left_it_has_names_too(caulk, library, newest_python, tmp_path):
    script = tmp_path / "program.py"
    script.write_text(textwrap.dedent(PROGRAM).lstrip().format(library=library("tables"), block=BLOCK, body="make()"))
    kept = sampled(caulk, newest_python, str(script), str(tmp_path / "bare.recording"))
    assert "in chain_c ← chain_b ← chain_a · " in line_under_make(caulk, kept)


def test_a_kept_recording_has_them_for_caulk_lines(caulk, run, library, newest_python, tmp_path):
    kept = str(tmp_path / "kept.caulkrec")
    run(newest_python, library("tables"), "[make() for _ in range(%d)]" % BLOCKS, "-o", kept)
    assert "in chain_c ← chain_b ← chain_a · " in line_under_make(caulk, kept)


def test_every_byte_has_them_too(run, library, newest_python):
    report, _ = run(newest_python, library("tables"), "[make() for _ in range(%d)]" % BLOCKS, "--every-byte")
    assert any(functions[:3] == CHAIN for functions, _ in chains_of(report))
