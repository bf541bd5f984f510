"""Native frames with the lines of their source, where the files on disk have debug information."""
import json
import os
import random
import shutil
import socket
import subprocess
import textwrap

import pytest

import verdict as verdicts

SOURCE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "support", "lined.c")
BLOCK, BLOCKS, INTERVAL = 1000000, 20, 8192  # so large that each one is a sample, and counts as one
DEBUG_IDS = "/usr/lib/debug/.build-id"

PROGRAM = """
    import ctypes, sys, time
    library = ctypes.PyDLL(sys.argv[1])
    for name in ("lined_direct", "lined_around"):
        getattr(library, name).argtypes = [ctypes.c_size_t]
    library.lined_either.argtypes = [ctypes.c_size_t, ctypes.c_int]

    def direct():
        library.lined_direct({block})  # direct

    def around():
        library.lined_around({block})

    def either(first):
        library.lined_either({block}, first)

    for number in range({blocks}):
        direct()
        around()
        either(number % 4 == 0)
"""


def marked_line(mark):
    with open(SOURCE) as source:
        return next(number for number, text in enumerate(source, 1) if "/* %s */" % mark in text)


def build(folder, *options, name="liblined.so"):
    path = str(folder / name)
    subprocess.run(["cc", "-O1", "-fPIC", "-shared", *options, "-o", path, SOURCE], check=True)
    return path


@pytest.fixture
def recorded(caulk, tmp_path):
    """What one run of the program with this library is reported as, and the file that keeps it."""
    def recorded(python, library, env=None):
        script, kept = tmp_path / "program.py", str(tmp_path / "kept.caulkrec")
        script.write_text(textwrap.dedent(PROGRAM).lstrip().format(block=BLOCK, blocks=BLOCKS))
        command = [caulk, "run", "--interval", str(INTERVAL), "--budget", "100", "--native-stacks", "--watch", "0",
                   "--json", str(tmp_path / "report.json"),
                   "-o", kept, "--python", python, str(script), library]
        result = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=str(tmp_path), env=dict(os.environ, **(env or {})))
        assert result.returncode == 0, result.stderr
        return json.loads((tmp_path / "report.json").read_text()), result.stderr, kept
    return recorded


def chains_of(report, function):
    """[(frames of the library, bytes)] below the line of that function of the program, whoever called the library."""
    lines = [line for line in report["processes"][0]["own_lines"] if line["function"] == function]
    assert len(lines) == 1, function
    chains = {}
    for chain in lines[0]["native"]:
        frames = [frame for frame in chain["frames"] if "lined" in frame["module"]]
        key = json.dumps([(frame["function"], frame["line"]) for frame in frames])
        chains[key] = (frames, chains.get(key, (None, 0))[1] + chain["live_bytes"])
    return [chain for chain in chains.values() if chain[0]]


def told(frames):
    """[(function, line, whether it was inlined)], all of the source that is known."""
    assert all(frame["native"] is True for frame in frames)
    assert {frame["file"] for frame in frames} == {SOURCE}
    return [(frame["function"], frame["line"], frame["inlined"]) for frame in frames]


def lines_of_direct(report):
    (frames, size), = chains_of(report, "direct")
    assert size == BLOCK * BLOCKS
    return [(frame["function"], frame["file"], frame["line"]) for frame in frames]


DIRECT = [("lined_hidden", SOURCE, marked_line("hidden")), ("lined_direct", SOURCE, marked_line("direct"))]
DIRECT_TEXT = "in lined_hidden (lined.c:%d) ← lined_direct (lined.c:%d) · " % (marked_line("hidden"), marked_line("direct"))


def test_lines_are_told(recorded, caulk, any_python, tmp_path):
    report, text, kept = recorded(any_python, build(tmp_path, "-g"))
    (frames, size), = chains_of(report, "direct")
    assert told(frames) == [("lined_hidden", marked_line("hidden"), False), ("lined_direct", marked_line("direct"), False)]
    assert size == BLOCK * BLOCKS
    assert DIRECT_TEXT + "liblined.so" in text
    shown = subprocess.run([caulk, "lines", kept], capture_output=True, text=True, check=True, timeout=60).stdout
    assert DIRECT_TEXT + "liblined.so" in shown


def test_inlined_functions_are_told(recorded, newest_python, tmp_path):
    report, _, _ = recorded(newest_python, build(tmp_path, "-g"))
    (frames, size), = chains_of(report, "around")
    assert told(frames) == [("lined_innermost", marked_line("innermost"), True), ("lined_middle", marked_line("middle"), True),
                            ("lined_around", marked_line("around"), False)]
    assert len({frame["address"] for frame in frames}) == 1 and size >= BLOCK * BLOCKS


def test_two_lines_of_a_function_are_told_apart(recorded, newest_python, tmp_path):
    report, _, _ = recorded(newest_python, build(tmp_path, "-g"))
    assert sorted((told(frames)[0][1], size) for frames, size in chains_of(report, "either")) == [
        (marked_line("first"), BLOCK * BLOCKS // 4), (marked_line("second"), BLOCK * BLOCKS * 3 // 4)]
    bare, _, _ = recorded(newest_python, build(tmp_path, "-g0", name="liblined_bare.so"))
    assert [size for _, size in chains_of(bare, "either")] == [BLOCK * BLOCKS], "without lines they are one"


@pytest.mark.parametrize("options", [["-gdwarf-4"], ["-gdwarf-5", "-gz"], ["-g1"], ["-g", "-Wl,--build-id=none"]], ids=" ".join)
def test_forms_of_debug_information(recorded, newest_python, tmp_path, options):
    report, _, _ = recorded(newest_python, build(tmp_path, *options))
    assert lines_of_direct(report) == DIRECT


@pytest.mark.skipif(not shutil.which("clang"), reason="no clang here")
def test_debug_information_without_a_table_of_addresses(recorded, newest_python, tmp_path, monkeypatch):
    library = str(tmp_path / "liblined.so")
    subprocess.run(["clang", "-g", "-O1", "-fPIC", "-shared", "-w", "-o", library, SOURCE], check=True)
    report, _, _ = recorded(newest_python, library)
    assert lines_of_direct(report) == DIRECT


def test_without_debug_information_there_are_names(recorded, newest_python, tmp_path):
    report, text, _ = recorded(newest_python, build(tmp_path, "-g0"))
    assert lines_of_direct(report) == [("lined_hidden", None, None), ("lined_direct", None, None)]
    assert "in lined_hidden ← lined_direct · liblined.so" in text


def split(library, debug):
    """Takes the debug information and the names out of the library, into that file."""
    os.makedirs(os.path.dirname(debug), exist_ok=True)
    subprocess.run(["objcopy", "--only-keep-debug", library, debug], check=True)
    subprocess.run(["strip", library], check=True)


def link(library, debug):
    """objcopy looks for the file to know its checksum."""
    subprocess.run(["objcopy", "--add-gnu-debuglink=" + debug, library], check=True)


needs_binutils = pytest.mark.skipif(not shutil.which("objcopy") or not shutil.which("strip"), reason="no binutils here")


@needs_binutils
@pytest.mark.parametrize("options", [[], ["-Wl,--build-id=none"]], ids=["build id", "checksum"])
@pytest.mark.parametrize("place", [".", ".debug"])
def test_a_debug_file_beside_it(recorded, newest_python, tmp_path, place, options):
    library, debug = build(tmp_path, "-g", *options), str(tmp_path / place / "lined.debug")
    split(library, debug)
    link(library, debug)
    report, _, _ = recorded(newest_python, library)
    assert lines_of_direct(report) == DIRECT


@pytest.fixture
def made():
    """Files and folders that a test makes outside of its own; they are removed again."""
    made = []
    yield made
    for path in reversed(made):
        os.rmdir(path) if os.path.isdir(path) else os.remove(path)


def make_folders(path, made):
    if not os.path.isdir(path):
        make_folders(os.path.dirname(path), made)
        os.mkdir(path)
        made.append(path)


@needs_binutils
@pytest.mark.skipif(os.geteuid() != 0, reason="only root may write into /usr/lib/debug")
@pytest.mark.parametrize("how", ["build id", "link"])
def test_a_debug_file_of_the_system(recorded, newest_python, tmp_path, made, how):
    library = build(tmp_path, "-g", "-Wl,--build-id=0x%040x" % random.getrandbits(160))
    note = subprocess.run(["readelf", "-n", library], capture_output=True, text=True, check=True).stdout
    number = note.partition("Build ID: ")[2].split()[0]
    debug = "%s/%s/%s.debug" % (DEBUG_IDS, number[:2], number[2:]) if how == "build id" else "/usr/lib/debug%s/lined.debug" % tmp_path
    make_folders(os.path.dirname(debug), made)
    split(library, debug)
    made.append(debug)
    if how == "link":
        link(library, debug)
    report, _, _ = recorded(newest_python, library)
    assert lines_of_direct(report) == DIRECT


@needs_binutils
@pytest.mark.parametrize("options", [[], ["-Wl,--build-id=none"]], ids=["build id", "checksum"])
def test_a_debug_file_of_another_build_tells_nothing(recorded, newest_python, tmp_path, options):
    library, debug = build(tmp_path, "-g", *options), str(tmp_path / "lined.debug")
    split(library, debug)
    link(library, debug)
    split(build(tmp_path, "-g", "-O2", "-DOTHER", *options, name="other.so"), debug)
    report, _, _ = recorded(newest_python, library)
    (frames, _), = chains_of(report, "direct")
    assert [frame["file"] for frame in frames] == [None] * len(frames)
    assert frames[0]["function"].startswith("liblined.so+0x")


def test_nothing_is_asked_of_a_network(recorded, newest_python, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        recorded(newest_python, build(tmp_path, "-g0"), env={"DEBUGINFOD_URLS": "http://127.0.0.1:%d" % server.getsockname()[1]})
        with pytest.raises(BlockingIOError):
            server.accept()


def damage(data, chance):
    """A part of it, or some of its bits the other way."""
    if chance.random() < 0.3:
        return data[:chance.randrange(len(data))]
    changed = bytearray(data)
    for _ in range(chance.randrange(1, 30)):
        changed[chance.randrange(len(data) // 2, len(data))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def test_a_damaged_library_gives_a_report_all_the_same(recorded, caulk, newest_python, tmp_path):
    library, chance = build(tmp_path, "-g", "-Wl,--build-id=none"), random.Random(4)
    _, _, kept = recorded(newest_python, library)
    with open(library, "rb") as file:
        good = file.read()
    for _ in range(25):
        with open(library, "wb") as file:
            file.write(damage(good, chance))
        shown = subprocess.run([caulk, "lines", kept], capture_output=True, timeout=60)
        assert shown.returncode == 0 and not shown.stderr, shown.stderr
        assert b"# direct" in shown.stdout


SERVICE = """
    import ctypes, sys, time
    library = ctypes.PyDLL(sys.argv[1])
    library.lined_object.restype, library.lined_object.argtypes = ctypes.py_object, [ctypes.c_long]
    STORE = []
    def keep():
        STORE.append(library.lined_object(3000))  # keep
    print("ready", flush=True)
    end = time.time() + 120
    while time.time() < end:
        keep()
        time.sleep(0.002)
"""


@pytest.fixture
def service(target, tmp_path):
    def service(python):
        script = tmp_path / "service.py"
        script.write_text(textwrap.dedent(SERVICE).lstrip())
        return target([python, str(script), build(tmp_path, "-g")])
    return service


def native_functions(finding):
    """[(function, file, line)] below the line that keeps what the library makes."""
    line = next(line for line in finding["allocated_at"] if line["function"] == "keep")
    return [(frame["function"], frame["file"], frame["line"]) for frame in line.get("native", [])]


def test_leaks_with_native_stacks(caulk, service, any_python):
    """The second watch puts in the sampler anew that the first one took out."""
    process = service(any_python)
    verdicts.run(caulk, "leaks", process.pid, "--lines", "--seconds", 1, expect=[0, 1, 2])
    second = verdicts.run(caulk, "leaks", process.pid, "--lines", "--native-stacks", "--seconds", 5, "--json", "-", expect=[1]).json()
    assert not [note for note in second["notes"] if "no allocation lines" in note]
    assert second["findings"][0]["holder"]["path"] == "__main__.STORE"
    assert ("lined_object", SOURCE, marked_line("object")) in native_functions(second["findings"][0])
    assert process.alive()


def test_a_sampler_that_tells_less_is_not_taken_for_one_that_tells_more(caulk, service, newest_python):
    process = service(newest_python)
    verdicts.run(caulk, "attach", process.pid, "--native", expect=[0])
    refused = verdicts.run(caulk, "leaks", process.pid, "--native-stacks", "--seconds", 1, expect=[69])
    assert "not with the stacks of C code: caulk detach %d first" % process.pid in refused.stderr
    verdicts.run(caulk, "leaks", process.pid, "--native", "--seconds", 2, expect=[0, 1, 2])
    verdicts.run(caulk, "detach", process.pid, expect=[0])
