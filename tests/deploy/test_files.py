"""Where the program and its interpreter lie: environments, archives, deleted and stripped files, a host in C."""
import json
import os
import re
import shutil
import subprocess
import zipapp

import pytest

import deploy
import pythons


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "application.py"
    path.write_text(deploy.program())
    return path


def test_a_virtual_environment(caulk, target, python, script, tmp_path):
    folder = tmp_path / "environment"
    subprocess.run([python, "-m", "venv", "--without-pip", folder], check=True, capture_output=True)
    deploy.check_visit(caulk, target([folder / "bin" / "python", script]), tmp_path)


def test_a_virtual_environment_of_copies(caulk, target, python, script, tmp_path):
    folder = tmp_path / "environment"
    subprocess.run([python, "-m", "venv", "--without-pip", "--copies", folder], check=True, capture_output=True)
    deploy.check_visit(caulk, target([folder / "bin" / "python", script]), tmp_path)


def test_a_zip_application(caulk, target, python, tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    (source / "__main__.py").write_text("import application, sys\nprint('ready', flush=True)\n"
                                        "for line in sys.stdin:\n    print('pong', flush=True)\n")
    (source / "application.py").write_text(deploy.program())
    archive = tmp_path / "application.pyz"
    zipapp.create_archive(source, archive)
    deploy.check_visit(caulk, target([python, archive]), tmp_path)


def copy_of(python, folder):
    """A copy of the executable that finds its library and its modules as the original does."""
    with open(os.path.realpath(python), "rb") as stream:
        if stream.read(4) != b"\x7fELF":
            pytest.skip("this Python is started by a script: its executable has no place of its own")
    copy = folder / "python-copy"
    shutil.copy(os.path.realpath(python), copy)
    home = subprocess.run([python, "-c", "import sys; print(sys.base_prefix)"], capture_output=True, text=True, check=True)
    environment = {"PYTHONHOME": home.stdout.strip()}
    return copy, environment


def test_executable_and_script_deleted_after_the_start(caulk, target, python, script, tmp_path):
    copy, environment = copy_of(python, tmp_path)
    process = target([copy, script], env=environment)
    copy.unlink()
    script.unlink()
    assert os.readlink("/proc/%d/exe" % process.pid).endswith(" (deleted)")
    deploy.check_visit(caulk, process, tmp_path)


def test_a_library_that_an_update_has_replaced(caulk, target, python, script, tmp_path):
    copy, environment = copy_of(python, tmp_path)
    listing = subprocess.run(["ldd", copy], capture_output=True, text=True).stdout
    found = re.search(r"=> (\S*libpython\S*)", listing)
    if not found:
        pytest.skip("this Python has no library of its own")
    library = tmp_path / os.path.basename(found.group(1))
    shutil.copy(found.group(1), library)
    process = target([copy, script], env=dict(environment, LD_LIBRARY_PATH=str(tmp_path), LD_PRELOAD=str(library)))
    other = tmp_path / "new"
    other.write_bytes(b"another file")
    os.replace(other, library)
    with open("/proc/%d/maps" % process.pid) as stream:
        assert str(library) + " (deleted)" in stream.read()
    deploy.check_visit(caulk, process, tmp_path)


def test_a_relative_path_and_another_working_directory(caulk, target, python, script, tmp_path):
    """The program goes elsewhere after its start, where its path leads to nothing."""
    script.write_text(deploy.program("import os; os.chdir('/')"))
    (tmp_path / "bin").mkdir()
    os.symlink(python, tmp_path / "bin" / "snake")
    process = target(["../bin/snake", "../application.py"], cwd=str(tmp_path / "bin"))
    assert os.readlink("/proc/%d/cwd" % process.pid) == "/"
    deploy.check_visit(caulk, process, tmp_path)


def stripped(executable, tmp_path):
    if not shutil.which("strip"):
        pytest.skip("no strip here")
    copy, environment = copy_of(executable, tmp_path)
    subprocess.run(["strip", "--strip-all", copy], check=True)
    return copy, environment


def test_a_stripped_executable(caulk, target, python, script, tmp_path):
    copy, environment = stripped(python, tmp_path)
    deploy.check_visit(caulk, target([copy, script], env=environment), tmp_path)


def without_sections(path):
    """What even strip leaves: the linker's own table of symbols, which goes with the table of sections."""
    header = bytearray(path.read_bytes())
    header[40:48] = bytes(8)   # e_shoff
    header[60:64] = bytes(4)   # e_shnum, e_shstrndx
    path.write_bytes(header)
    listing = subprocess.run(["readelf", "--dyn-syms", "-S", path], capture_output=True, text=True).stdout
    assert "There are no sections" in listing and "_PyRuntime" not in listing


def test_an_interpreter_without_any_symbol(caulk, target, python, script, tmp_path):
    """Runtime, version and `type` are found by what they look like."""
    copy, environment = stripped(python, tmp_path)
    listing = subprocess.run(["ldd", copy], capture_output=True, text=True).stdout
    found = re.search(r"=> (\S*libpython\S*)", listing)
    if found:
        shutil.copy(found.group(1), tmp_path)
        environment = dict(environment, LD_LIBRARY_PATH=str(tmp_path))
        environment["LD_PRELOAD"] = str(tmp_path / os.path.basename(found.group(1)))
        without_sections(tmp_path / os.path.basename(found.group(1)))
    without_sections(copy)
    process = target([copy, script], env=environment)
    deploy.check_visit(caulk, process, tmp_path)
    checks = json.loads(deploy.call(caulk, "doctor", process.pid, "--json", "-").stdout)["checks"]
    version = pythons.version_of(python)
    assert any(check["name"] == "python" and "CPython " + version in check["reason"] for check in checks)


SYSTEM = "/usr/bin/python3"


@pytest.fixture
def system_python():
    version = pythons.version_of(SYSTEM) if os.path.exists(SYSTEM) else None
    if not version or ".".join(version.split(".")[:2]) not in pythons.MINORS:
        pytest.skip("no system Python of a known version")
    if "libpython" in subprocess.run(["ldd", SYSTEM], capture_output=True, text=True).stdout:
        pytest.skip("the system's Python is not in one executable")
    return SYSTEM


def test_an_interpreter_in_one_executable(caulk, target, system_python, script, tmp_path):
    """As Debian builds it: without a library, and stripped from the start."""
    deploy.check_visit(caulk, target([system_python, script]), tmp_path)


def test_an_interpreter_in_one_executable_stripped_and_deleted(caulk, target, system_python, script, tmp_path):
    copy, environment = stripped(system_python, tmp_path)
    process = target([copy, script], env=environment)
    copy.unlink()
    deploy.check_visit(caulk, process, tmp_path)


HOST = r"""
#include <Python.h>
int main(int count, char **words) {
    Py_Initialize();
    FILE *file = fopen(words[1], "r");
    if (!file || PyRun_SimpleFile(file, words[1]) != 0)
        return 1;
    return Py_FinalizeEx();
}
"""


# The linker puts a copy of a variable that the program names into the program; the library's own is nobody's then.
COPY = "PyTypeObject *type_of_types(void) { return &PyType_Type; }\n"


def host_in_c(python, tmp_path, *options, extra=""):
    """A program of C that has Python in it."""
    config = os.path.realpath(python) + "-config"
    if not os.path.exists(config) or not shutil.which("gcc"):
        pytest.skip("no python-config or no gcc here")
    flags = [subprocess.run([config, *words], capture_output=True, text=True, check=True).stdout.split()
             for words in (["--includes"], ["--embed", "--ldflags"])]
    (tmp_path / "host.c").write_text(HOST.replace("int main", extra + "int main"))
    made = subprocess.run(["gcc", *options, "-o", tmp_path / "host", tmp_path / "host.c", *flags[0], *flags[1]],
                          capture_output=True, text=True)
    if made.returncode:
        pytest.skip("the host does not compile: " + made.stderr[-300:])
    home = subprocess.run([python, "-c", "import sys; print(sys.base_prefix)"], capture_output=True, text=True, check=True)
    return tmp_path / "host", {"PYTHONHOME": home.stdout.strip()}


def test_a_host_in_c(caulk, target, python, script, tmp_path):
    host, environment = host_in_c(python, tmp_path)
    deploy.check_visit(caulk, target([host, script], env=environment), tmp_path)


def test_a_host_in_c_with_a_copy_of_the_type_of_types(caulk, target, python, script, tmp_path):
    host, environment = host_in_c(python, tmp_path, "-no-pie", "-fno-pic", extra=COPY)
    if "R_X86_64_COPY" not in subprocess.run(["readelf", "-r", host], capture_output=True, text=True).stdout:
        pytest.skip("this Python has no library of its own")
    deploy.check_visit(caulk, target([host, script], env=environment), tmp_path)


def test_a_leak_in_a_host_in_c(caulk, target, python, tmp_path):
    host, environment = host_in_c(python, tmp_path)
    script = tmp_path / "leak.py"
    script.write_text("import time\nclass Order:\n    pass\nORDERS = []\nprint('ready', flush=True)\n"
                      "while True:\n    ORDERS.append([Order() for _ in range(20)])\n    time.sleep(0.002)\n")
    process = target([host, script], env=environment)
    verdict = deploy.call(caulk, "leaks", process.pid, "--seconds", "8", "--json", "-", status=1).stdout
    assert '"__main__.ORDERS"' in verdict
    assert process.alive() and process.errors() == ""
