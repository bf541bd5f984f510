"""Core files of real Pythons, by gcore and by the kernel: what a core says must be what the live process said."""
import gzip
import json
import os
import re
import shutil
import signal
import subprocess

import pytest

SESSIONS = 20000

SERVICE = """
import threading, time
class Session:
    def __init__(self, number):
        self.cart = [number] * 20
STORE = {"session-%%d" %% number: Session(number) for number in range(%d)}
threading.Thread(target=time.sleep, args=(1000,), daemon=True, name="worker").start()
print("ready", flush=True)
time.sleep(1000)
""" % SESSIONS

needs_gcore = pytest.mark.skipif(not shutil.which("gcore"), reason="no gcore here (package gdb)")


def kernel_writes_files():
    """Cores as plain files in the folder of the process: the only way of the kernel that a test can use."""
    with open("/proc/sys/kernel/core_pattern") as stream:
        pattern = stream.read().strip()
    return not pattern.startswith("|") and "/" not in pattern


needs_kernel_cores = pytest.mark.skipif(not kernel_writes_files(), reason="the kernel gives cores to a program here")


def call(caulk, *words, status=0):
    result = subprocess.run([caulk, *map(str, words)], capture_output=True, text=True, timeout=120)
    assert result.returncode == status, result
    return result


def call_json(caulk, *words, status=0):
    return json.loads(call(caulk, *words, "--json", "-", status=status).stdout)


def start(target, python, folder):
    return target(["sh", "-c", 'ulimit -c unlimited; exec "$0" -c "$1"', python, SERVICE], cwd=str(folder))


def dump_by_gcore(pid, folder):
    subprocess.run(["gcore", "-o", str(folder / "gcore"), str(pid)], capture_output=True, check=True, timeout=120)
    return folder / ("gcore.%d" % pid)


def dump_by_kernel(process, folder):
    before = set(os.listdir(folder))
    os.kill(process.pid, signal.SIGABRT)
    process.process.wait()
    names = [name for name in set(os.listdir(folder)) - before if name.startswith("core")]
    assert len(names) == 1, os.listdir(folder)
    return folder / names[0]


def everything(caulk, source):
    """What the commands say of a process or a core, as far as it must be the same."""
    top = call_json(caulk, "top", source, "--limit", "300")
    why = call_json(caulk, "why", source, "Session", "--limit", "2")
    return {
        "pid": top["snapshot"]["pid"],
        "python": top["snapshot"]["python"],
        "gc_objects": top["snapshot"]["gc_objects"],
        "types": {row["type"]: (row["count"], row["bytes"]) for row in top["types"] if row["type"].startswith("__main__")},
        "first_holder": (top["holders"][0]["path"], top["holders"][0]["entries"], top["holders"][0]["retained_bytes"]),
        "matches": why["matches"],
        "paths": [(path["path"], path["retained_bytes"]) for path in why["paths"]],
    }


def check_same(caulk, live, totals, core, lost=0):
    assert everything(caulk, core) == live
    assert live["types"]["__main__.Session"][0] == SESSIONS == live["matches"]
    seen = call_json(caulk, "snapshot", core)
    for name in ("objects", "references"):
        assert abs(seen[name] - totals[name]) <= totals[name] // 1000
    assert seen["coverage"]["gc_objects"] == totals["coverage"]["gc_objects"]
    assert seen["coverage"]["faults"] <= totals["coverage"]["faults"] + lost
    assert call(caulk, "top", core).stderr == ""


@needs_gcore
def test_a_core_of_gcore_says_what_the_process_says(caulk, target, python, tmp_path):
    process = start(target, python, tmp_path)
    live, totals = everything(caulk, process.pid), call_json(caulk, "snapshot", process.pid)
    # gdb 13 writes holes instead of some pages of a thread's stack, where frames of 3.14 lie
    check_same(caulk, live, totals, dump_by_gcore(process.pid, tmp_path), lost=1)


@needs_kernel_cores
def test_a_core_of_the_kernel_says_what_the_process_said(caulk, target, python, tmp_path):
    process = start(target, python, tmp_path)
    live, totals = everything(caulk, process.pid), call_json(caulk, "snapshot", process.pid)
    check_same(caulk, live, totals, dump_by_kernel(process, tmp_path))


@pytest.fixture(scope="module")
def core(newest_python, tmp_path_factory):
    """One core for all tests that only read it, and the path of the file that has the interpreter."""
    import target as targets
    folder = tmp_path_factory.mktemp("core")
    if not kernel_writes_files() and not shutil.which("gcore"):
        pytest.skip("neither the kernel nor gcore writes cores here")
    process = targets.Target(["sh", "-c", 'ulimit -c unlimited; exec "$0" -c "$1"', newest_python, SERVICE],
                             str(folder / "log"), cwd=str(folder))
    try:
        with open("/proc/%d/maps" % process.pid) as stream:
            files = [line.split(None, 5)[5].strip() for line in stream if "/" in line]
        path = dump_by_kernel(process, folder) if kernel_writes_files() else dump_by_gcore(process.pid, folder)
    finally:
        process.stop()
    libraries = [file for file in files if "libpython" in os.path.basename(file)]
    return path, (libraries or files)[0]


def altered(core, tmp_path, old, new):
    data = core.read_bytes()
    assert old in data and len(old) == len(new)
    path = tmp_path / "altered"
    path.write_bytes(data.replace(old, new))
    return path


def test_leaks_of_a_core_tells_suspects_and_claims_no_growth(caulk, core):
    verdict = call_json(caulk, "leaks", core[0], status=2)
    assert verdict["verdict"] == "inconclusive"
    assert verdict["findings"][0]["holder"]["path"] == "__main__.STORE"
    assert any("one snapshot cannot tell a leak" in note for note in verdict["notes"])
    assert not verdict.get("rss")
    if not os.path.basename(verdict["target"]["executable"]).startswith("ld-"):  # which moves the words of the stack
        assert verdict["target"]["argv"][1:] == ["-c", SERVICE]
    text = call(caulk, "leaks", core[0], status=2).stdout
    assert "__main__.STORE" in text and "RSS" not in text and "paused" not in text


def test_a_snapshot_of_a_core_says_the_same(caulk, core, tmp_path):
    kept = tmp_path / "kept.caulk"
    call(caulk, "snapshot", core[0], "-o", kept)
    assert call_json(caulk, "top", kept) == call_json(caulk, "top", core[0])
    assert call_json(caulk, "tree", kept, "--depth", 2) == call_json(caulk, "tree", core[0], "--depth", 2)


def test_packed_cores_say_the_same(caulk, core, tmp_path):
    plain = call_json(caulk, "top", core[0])
    with gzip.open(tmp_path / "core.gz", "wb", compresslevel=1) as stream:
        stream.write(core[0].read_bytes())
    assert call_json(caulk, "top", tmp_path / "core.gz") == plain
    if not shutil.which("zstd"):
        pytest.skip("no zstd here; gzip was tested")
    subprocess.run(["zstd", "-q", "-1", str(core[0]), "-o", str(tmp_path / "core.zst")], check=True)
    assert call_json(caulk, "top", tmp_path / "core.zst") == plain


def test_an_unpacked_core_leaves_nothing_behind(caulk, core, tmp_path):
    (tmp_path / "room").mkdir()
    with gzip.open(tmp_path / "core.gz", "wb", compresslevel=1) as stream:
        stream.write(core[0].read_bytes())
    environment = dict(os.environ, TMPDIR=str(tmp_path / "room"))
    subprocess.run([caulk, "top", str(tmp_path / "core.gz")], env=environment, capture_output=True, check=True)
    assert os.listdir(tmp_path / "room") == []
    environment["TMPDIR"] = str(tmp_path / "nowhere")
    result = subprocess.run([caulk, "top", str(tmp_path / "core.gz")], env=environment, capture_output=True, text=True)
    assert result.returncode == 73 and "TMPDIR" in result.stderr and result.stderr.count("\n") == 1


def cut(core, tmp_path, percent):
    path = tmp_path / ("core.%d" % percent)
    with open(core, "rb") as whole:
        path.write_bytes(whole.read(os.path.getsize(core) * percent // 100))
    return path


@pytest.mark.parametrize("percent", [95, 90, 50, 10])
def test_a_truncated_core_is_said_to_be_one(caulk, core, tmp_path, percent):
    """There is always a part to see, but where no heap is in what is left."""
    path = cut(core[0], tmp_path, percent)
    result = subprocess.run([caulk, "top", path, "--json", "-"], capture_output=True, text=True, timeout=120)
    assert "truncated" in result.stderr and "MiB of memory are missing" in result.stderr
    if result.returncode == 65:
        assert result.stdout == "" and result.stderr.count("\n") == 1
        assert percent == 10 or not kernel_writes_files()  # gcore writes the list of files last
    else:
        seen = json.loads(result.stdout)["snapshot"]
        assert result.returncode == 0 and 0 < seen["objects"] < call_json(caulk, "top", core[0])["snapshot"]["objects"]


def place_in(core, address):
    """Where the memory from `address` on begins in a core file."""
    listing = subprocess.run(["readelf", "-lW", core], capture_output=True, text=True, check=True).stdout
    loads = [line.split() for line in listing.splitlines() if line.split()[:1] == ["LOAD"]]
    return min(int(load[1], 16) for load in loads if int(load[2], 16) >= address and int(load[4], 16))


@needs_kernel_cores
@pytest.mark.skipif(not shutil.which("readelf"), reason="no readelf here")
def test_a_core_without_the_state_of_its_interpreter_tells_what_is_left(caulk, target, python, tmp_path):
    """Cut off where libpython begins: types are read from its file, objects are found by themselves."""
    process = start(target, python, tmp_path)
    with open("/proc/%d/maps" % process.pid) as stream:
        begins = [int(line.split("-")[0], 16) for line in stream if "libpython" in line]
    if not begins:
        pytest.skip("this Python has no library of its own")
    core = dump_by_kernel(process, tmp_path)
    os.truncate(core, place_in(core, begins[0]))
    result = call(caulk, "why", core, "Session", "--limit", "1", "--json", "-")
    assert "the state of its Python is lost" in result.stderr and "truncated" in result.stderr
    found = json.loads(result.stdout)
    assert found["matches"] == SESSIONS and found["paths"][0]["path"].startswith("__main__.STORE[")
    verdict = json.loads(call(caulk, "leaks", core, "--json", "-", status=2).stdout)
    assert verdict["verdict"] == "inconclusive" and verdict["findings"][0]["holder"]["path"] == "__main__.STORE"
    assert any("state of its Python is lost" in note for note in verdict["notes"])


SYSTEM_PYTHON = "/usr/bin/python3"


def is_static(python):
    listing = subprocess.run(["ldd", python], capture_output=True, text=True).stdout
    return os.path.exists(python) and "libpython" not in listing


@needs_kernel_cores
@pytest.mark.skipif(not is_static(SYSTEM_PYTHON), reason="no Python without libpython here")
@pytest.mark.parametrize("percent, least", [(90, 1000), (50, 100)])
def test_what_a_truncated_core_has_is_seen(caulk, target, tmp_path, percent, least):
    process = start(target, SYSTEM_PYTHON, tmp_path)
    whole = dump_by_kernel(process, tmp_path)
    path = cut(whole, tmp_path, percent)
    verdict = json.loads(call(caulk, "leaks", path, "--json", "-", status=2).stdout)
    assert any("the core is truncated" in note for note in verdict["notes"])
    objects = [call_json(caulk, "snapshot", file)["objects"] for file in (path, whole)]
    assert least < objects[0] < objects[1]


def build_id_of(path):
    with open(path, "rb") as stream:
        header = stream.read(4096)
    at = header.find(b"\x14\0\0\0\x03\0\0\0GNU\0")
    return header[at + 12:at + 32] if at >= 0 else None


def check_read_without_library(result, why, name):
    """What is in the core itself suffices for its objects; which file was not used, and why, is said."""
    assert why in result.stderr and name in result.stderr
    assert re.search(r"^\s+20,000 .*Session$", result.stdout, re.MULTILINE), result.stdout


def test_files_that_are_not_those_of_the_process_are_not_used(caulk, core, tmp_path):
    build_id = build_id_of(core[1])
    if not build_id:
        pytest.skip("%s has no build-id" % core[1])
    path = altered(core[0], tmp_path, build_id, bytes(20))
    check_read_without_library(call(caulk, "top", path), "the build-id differs", os.path.basename(core[1]))


def test_files_that_are_not_here_are_named(caulk, core, tmp_path):
    name = os.path.basename(core[1]).encode()
    path = altered(core[0], tmp_path, b"/" + name + b"\0", b"/" + b"x" * len(name) + b"\0")
    check_read_without_library(call(caulk, "top", path), "missing here", "x" * len(name))


@needs_gcore
def test_a_core_of_something_else_is_refused(caulk, target, tmp_path):
    process = target(["sh", "-c", "echo ready; exec sleep 1000"])
    error = call(caulk, "top", dump_by_gcore(process.pid, tmp_path), status=67).stderr
    assert "is not Python" in error and error.count("\n") == 1


@pytest.mark.parametrize("content", [b"\x7fELF", b"\x7fELF" + bytes(100), b"\x1f\x8b\x08\0", b"\x28\xb5\x2f\xfd" + b"x" * 50,
                                     gzip.compress(b"no core " * 100), b"\xfd7zXZ\0" + bytes(10)])
def test_what_is_no_core_is_refused(caulk, tmp_path, content):
    path = tmp_path / "core"
    path.write_bytes(content)
    error = call(caulk, "top", path, status=65).stderr
    assert str(path) in error and error.count("\n") == 1


def test_a_program_is_no_core(caulk):
    assert "is not a core file" in call(caulk, "top", "/bin/sh", status=65).stderr
