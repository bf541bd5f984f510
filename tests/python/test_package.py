"""The Python package: the sampler from inside, the program on the own process, CAULK=1, and the wheel."""
import glob
import json
import os
import re
import subprocess
import textwrap
import zipfile

import pytest

import pythons

ROOT = pythons.ROOT
PACKAGE = os.path.join(ROOT, "python")


@pytest.fixture(scope="session")
def build(caulk):
    return os.path.dirname(caulk)


def run(python, code, build, **environment):
    done = subprocess.run([python, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=120,
                          env=dict(os.environ, PYTHONPATH=PACKAGE, CAULK_BUILD=build, **environment))
    assert done.returncode == 0 and done.stderr == "", done
    return done.stdout


@pytest.mark.parametrize("minor", ["3.9", "3.11", "3.14"])
def test_start_lines_stop(build, minor):
    python = pythons.need(minor)
    out = run(python, """
        import json, caulk
        def keep():
            return [bytes(5000) for number in range(400)]
        assert not caulk.is_running() and caulk.lines() == []
        caulk.start(every_byte=True)
        assert caulk.is_running()
        kept = keep()
        before = caulk.lines(3)
        caulk.stop()
        assert not caulk.is_running()
        more = keep()
        print(json.dumps([before, caulk.lines(3)]))
    """, build)
    before, after = json.loads(out)
    assert before[0]["line"] == 4 and before[0]["function"].endswith(("<listcomp>", "keep"))
    assert 400 * 5000 <= before[0]["live_bytes"] <= 400 * 5000 * 1.05 and 400 <= before[0]["live_count"] <= 402
    assert after[0]["live_count"] <= 402, "after stop() nothing new is taken"


def test_options_are_checked(build, newest_python):
    out = run(newest_python, """
        import caulk
        for options in ({"interval": 0}, {"memory": 5}, {"interval": "many"}):
            try:
                caulk.start(**options)
            except OSError as error:
                print("refused", error.errno)
        try:
            caulk.start(file="a b")
        except ValueError as error:
            print(error)
    """, build)
    assert out == "refused 22\n" * 3 + "caulk: file cannot have a space in it: 'a b'\n"


def test_the_verdict_on_this_very_process(build, newest_python, tmp_path):
    out = run(newest_python, """
        import json, threading, time, caulk
        STORE = []
        def leak():
            while True:
                STORE.append(bytearray(4000))
                time.sleep(0.002)
        threading.Thread(target=leak, daemon=True).start()
        caulk.snapshot(%r)
        verdict = caulk.leaks(seconds=6)
        print(json.dumps(verdict))
    """ % str(tmp_path / "own.caulk"), build)
    verdict = json.loads(out)
    assert verdict["findings"][0]["holder"]["path"] == "__main__.STORE"
    assert (tmp_path / "own.caulk").stat().st_size > 10000


def test_what_caulk_refuses_is_an_exception(build, newest_python):
    out = run(newest_python, """
        import caulk
        try:
            caulk.snapshot("/no/such/folder/file")
        except caulk.CaulkError as error:
            print(error)
    """, build)
    assert out.startswith("caulk: ") and out.count("\n") == 1


@pytest.fixture(scope="session")
def installed(build, tmp_path_factory):
    """A virtual environment with the wheel in it, made of the binaries under test."""
    python = pythons.need("3.11")
    folder = tmp_path_factory.mktemp("installed")
    subprocess.run([python, "-m", "venv", folder], check=True, timeout=120)
    done = subprocess.run([folder / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index",
                           "--no-deps", "--no-build-isolation", "--config-settings", "build=" + build, ROOT],
                          capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return folder


def clean_environment(**more):
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("CAULK", "PYTHON"))}
    return dict(environment, **more)


def version():
    with open(os.path.join(ROOT, "meson.build")) as stream:
        return re.search(r"version: '([^']+)'", stream.read()).group(1)


def test_the_version_is_in_one_place(installed):
    command = subprocess.run([installed / "bin" / "caulk", "--version"], capture_output=True, text=True, check=True,
                             env=clean_environment()).stdout
    package = subprocess.run([installed / "bin" / "python", "-c", "import caulk; print(caulk.__version__)"],
                             capture_output=True, text=True, check=True, env=clean_environment()).stdout
    assert command == "caulk %s\n" % version() and package == version() + "\n"


def test_the_command_runs_scripts_by_its_own_python(installed, tmp_path):
    script = tmp_path / "where.py"
    script.write_text("import sys; print(sys.prefix)")
    done = subprocess.run([installed / "bin" / "caulk", "run", "--quiet", script], capture_output=True, text=True,
                          env=clean_environment(), timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, str(installed) + "\n", "")


@pytest.mark.parametrize("value, recorded", [("", False), ("0", False), ("1", False), ("file", True)])
def test_the_environment_starts_it(installed, tmp_path, value, recorded):
    """CAULK=1 keeps the recording in memory only; options may name a file."""
    if value == "file":
        value = "interval=1 file=%s/own-%%p.caulk-recording" % tmp_path
    done = subprocess.run([installed / "bin" / "python", "-c",
                           "import sys; x = [bytes(3000) for n in range(50)]; print('caulk' in sys.modules)\n"
                           "print('caulk-recording' in open('/proc/self/maps').read())"],
                          capture_output=True, text=True, env=clean_environment(CAULK=value), timeout=60)
    started = value not in ("", "0")
    assert (done.stdout, done.stderr) == ("%s\n" % started * 2, "")
    files = glob.glob(str(tmp_path / "own-*.caulk-recording"))
    assert bool(files) == recorded
    if recorded:
        lines = subprocess.run([installed / "bin" / "caulk", "lines", files[0], "--json", "-"], capture_output=True, text=True,
                               env=clean_environment(), timeout=60, check=True).stdout
        assert json.loads(lines)["files"]


def test_a_bad_option_in_the_environment_does_not_stop_python(installed):
    done = subprocess.run([installed / "bin" / "python", "-c", "print('it runs')"], capture_output=True, text=True,
                          env=clean_environment(CAULK="interval=never"), timeout=60)
    assert done.returncode == 0 and done.stdout == "it runs\n"
    assert done.stderr.startswith("caulk: CAULK=interval=never: ") and done.stderr.count("\n") == 1


def test_the_source_distribution_builds(build, tmp_path):
    """Its files are all that the wheel takes."""
    python = pythons.need("3.11")
    code = ("import sys; sys.path.insert(0, %r); import caulk_build; print(caulk_build.build_sdist(%r))"
            % (os.path.join(PACKAGE, "build"), str(tmp_path)))
    name = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True, timeout=60).stdout.strip()
    subprocess.run(["tar", "-xzf", tmp_path / name, "-C", tmp_path], check=True)
    source = tmp_path / name[:-len(".tar.gz")]
    code = ("import sys; sys.path.insert(0, %r); import caulk_build; print(caulk_build.build_wheel(%r, {'build': %r}))"
            % (os.path.join(source, "python", "build"), str(tmp_path), build))
    name = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True, timeout=60).stdout.strip()
    names = zipfile.ZipFile(tmp_path / name).namelist()
    for wanted in ("caulk/__init__.py", "caulk/bin/caulk", "caulk/bin/libcaulk_agent.so", "caulk_start.pth"):
        assert wanted in names
    assert os.path.exists(os.path.join(source, "src", "app", "main.c"))
