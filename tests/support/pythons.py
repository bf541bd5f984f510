"""Which Pythons this machine has, and a virtual environment for each with what the target programs import."""
import fcntl
import glob
import os
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CACHE = os.path.join(ROOT, ".cache")
MINORS = ("3.9", "3.10", "3.11", "3.12", "3.13", "3.14", "3.15")
FLAVOURS = ("3.13t", "3.14t", "3.15t")  # a letter behind the version: sys.abiflags of the build
BUILDS = MINORS + FLAVOURS
# Debug builds, and early and late releases: what tools/fetch-pythons --all brings beside those.
OTHERS = ("3.9@bullseye", "3.9d@bullseye", "3.11@bookworm", "3.11d@bookworm", "3.13@trixie", "3.13d@trixie", "3.13d",
          "3.14@forky", "3.14d", "3.15@forky", "3.15d", "3.12@maven", "3.13@maven", "3.14@maven")
PROGRAM_REQUIREMENTS = os.path.join(ROOT, "tests", "requirements-programs.txt")

MISSING = []  # what a test was skipped for; named at the end of the run


def version_of(executable):
    """"3.11.7" or "3.13.15t", None if `executable` is no working CPython."""
    code = "import sys; print(sys.version.split()[0].rstrip('+') + sys.abiflags if sys.implementation.name == 'cpython' else '')"
    try:
        out = subprocess.run([executable, "-c", code], capture_output=True, text=True, timeout=30).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None
    return out.strip() or None


def minor_of(version):
    """"3.11" of "3.11.7", "3.13t" of "3.13.15t"."""
    return ".".join(version.split(".")[:2]) + version.lstrip("0123456789.").lstrip("abrc0123456789")


def candidates(minor):
    """Paths that may be a Python of this minor version, the best first."""
    if os.environ.get("CAULK_PYTHON_" + minor.replace(".", "_")):
        yield os.environ["CAULK_PYTHON_" + minor.replace(".", "_")]
    pyenv = os.environ.get("PYENV_ROOT", os.path.expanduser("~/.pyenv"))
    yield from sorted(glob.glob("%s/versions/%s.*/bin/python3" % (pyenv, minor)), reverse=True)
    yield fetched(minor)  # made by tools/fetch-pythons or tools/build-pythons
    yield from sorted(map(fetched, (name for name in OTHERS if name.startswith(minor + "@"))))
    yield "/usr/local/bin/python" + minor
    yield "/usr/bin/python" + minor
    yield "/usr/bin/python3"
    yield sys.executable


def fetched(name):
    """Where the Python that tools/fetch-pythons calls `name` would be."""
    return os.path.join(CACHE, "pythons", name, "bin", "python3")


def find(minor):
    """The executable of a Python of this minor version, or None."""
    for path in candidates(minor):
        if os.path.exists(path):
            version = version_of(path)
            if version and minor_of(version) == minor:
                return path
    return None


def need(minor):
    """The same; without one the test is skipped, and the end of the run names what was missing."""
    return find(minor) or _miss(minor, "CPython %s is not on this machine" % minor)


def need_fetched(name, variable=""):
    """The same, of what is named in $`variable` or else that tools/fetch-pythons or tools/build-pythons calls `name`."""
    found = os.environ.get(variable) or fetched(name)
    return found if os.path.exists(found) else _miss(name, "CPython %s is not on this machine: tools/build-pythons %s" % (name, name))


def is_free_threaded(executable):
    code = "import sysconfig; print(sysconfig.get_config_var('Py_GIL_DISABLED'))"
    return subprocess.run([executable, "-c", code], capture_output=True, text=True).stdout.strip() == "1"


def _miss(name, why):
    import pytest  # programs that are no tests import this file too
    MISSING.append(name)
    pytest.skip(why)


def environment(executable, requirements, name):
    """Python of the environment `name`, made if it is not there yet. A failure is raised in plain words."""
    folder = os.path.join(CACHE, name)
    python = os.path.join(folder, "bin", "python")
    with open(requirements) as stream:
        wanted = stream.read() + "\n# made from " + os.path.realpath(executable) + "\n"
    os.makedirs(CACHE, exist_ok=True)
    with open(os.path.join(CACHE, name + ".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        stamp = os.path.join(folder, "installed.txt")
        if not (os.path.exists(stamp) and open(stamp).read() == wanted):
            _make(executable, requirements, folder)
            with open(stamp, "w") as stream:
                stream.write(wanted)
    return python


def _make(executable, requirements, folder):
    shutil.rmtree(folder, ignore_errors=True)
    python = os.path.join(folder, "bin", "python")
    binary = minor_of(version_of(executable)) in MINORS  # others have few packages made for them
    for command in (
        [executable, "-m", "venv", folder],
        [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", requirements]
        + (["--only-binary", ":all:"] if binary else ["--prefer-binary"]),
    ):
        result = subprocess.run(command, capture_output=True, text=True, timeout=600)
        if result.returncode:
            raise RuntimeError("%s: %s" % (" ".join(command), result.stderr.strip().splitlines()[-1:]))
        _link_packages(os.path.join(folder, "lib"))


def _link_packages(folder):
    """Debian's site.py looks for the packages of lib/python3.13t in lib/python3.13."""
    for name in os.listdir(folder):
        if name.endswith("t") and not os.path.lexists(os.path.join(folder, name[:-1])):
            os.symlink(name, os.path.join(folder, name[:-1]))


def with_programs(executable):
    """The environment of this Python that has Flask, SQLAlchemy and gunicorn."""
    return environment(executable, PROGRAM_REQUIREMENTS, "python-" + minor_of(version_of(executable)))


if __name__ == "__main__":
    for minor in sys.argv[1:] or MINORS:
        found = find(minor)
        print(minor, found, with_programs(found) if found else "missing")
