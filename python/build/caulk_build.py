"""Builds the wheel: the program and the sampler by Meson, the Python files as they are. The version is meson.build's."""
import base64
import hashlib
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import zipfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILT = ("caulk", "libcaulk_agent.so")
START_FILE = "caulk_start.pth"
STAMP = (2020, 1, 1, 0, 0, 0)  # the same files make the same wheel


def read(*path):
    with open(os.path.join(ROOT, *path), encoding="utf-8") as stream:
        return stream.read()


def version():
    return re.search(r"^\s*version: '([^']+)'", read("meson.build"), re.M).group(1)


def tag():
    """For any Python: nothing in it is linked with one. Never two builds at once in one process."""
    return "py3-none-" + sysconfig.get_platform().replace("-", "_").replace(".", "_")


def metadata():
    return ("Metadata-Version: 2.1\nName: caulk\nVersion: %s\nSummary: Finds memory leaks in running Python programs\n"
            "License: MIT\nRequires-Python: >=3.9\nDescription-Content-Type: text/markdown\n\n%s"
            % (version(), read("README.md")))


def information():
    """The files of the .dist-info folder but for RECORD."""
    return {
        "METADATA": metadata(),
        "WHEEL": "Wheel-Version: 1.0\nGenerator: caulk_build\nRoot-Is-Purelib: false\nTag: %s\n" % tag(),
        "entry_points.txt": "[console_scripts]\ncaulk = caulk.__main__:main\n",
    }


def run(*words):
    """A build's noise is for when it fails."""
    done = subprocess.run(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        sys.stderr.write(done.stdout)
        raise SystemExit("%s failed with status %d" % (" ".join(words), done.returncode))


def compile_into(folder):
    """Builds the two binaries in `folder`."""
    meson = shutil.which("meson")
    words = [meson] if meson else [sys.executable, "-m", "mesonbuild.mesonmain"]
    run(*words, "setup", folder, "--buildtype=release")
    run("ninja", "-C", folder, *BUILT)
    for name in BUILT:
        if shutil.which("strip"):
            run("strip", "--strip-unneeded", os.path.join(folder, name))


class Wheel:
    def __init__(self, path):
        self.archive = zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED)
        self.record = []

    def add(self, name, data, executable=False):
        if isinstance(data, str):
            data = data.encode()
        entry = zipfile.ZipInfo(name, STAMP)
        entry.external_attr = (0o100755 if executable else 0o100644) << 16
        entry.compress_type = zipfile.ZIP_DEFLATED
        self.archive.writestr(entry, data)
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        self.record.append("%s,sha256=%s,%d" % (name, digest, len(data)))

    def close(self, folder):
        name = folder + "/RECORD"
        self.archive.writestr(zipfile.ZipInfo(name, STAMP), "\n".join(self.record + [name + ",,"]) + "\n")
        self.archive.close()


def add_python(wheel):
    package = os.path.join(ROOT, "python", "caulk")
    for name in sorted(os.listdir(package)):
        if name.endswith(".py") and name != "_version.py":
            wheel.add("caulk/" + name, read("python", "caulk", name))
    wheel.add("caulk/_version.py", '__version__ = "%s"\n' % version())
    wheel.add(START_FILE, read("python", START_FILE))


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    name = "caulk-%s-%s.whl" % (version(), tag())
    folder = "caulk-%s.dist-info" % version()
    wheel = Wheel(os.path.join(wheel_directory, name))
    with tempfile.TemporaryDirectory(prefix="caulk-wheel-") as temporary:
        build = (config_settings or {}).get("build")  # a folder where they have been built already
        if not build:
            compile_into(temporary)
        add_python(wheel)
        for built in BUILT:
            with open(os.path.join(build or temporary, built), "rb") as stream:
                wheel.add("caulk/bin/" + built, stream.read(), executable=True)
    for file, text in information().items():
        wheel.add("%s/%s" % (folder, file), text)
    wheel.close(folder)
    return name


def prepare_metadata_for_build_wheel(metadata_directory, config_settings=None):
    folder = "caulk-%s.dist-info" % version()
    os.makedirs(os.path.join(metadata_directory, folder), exist_ok=True)
    for file, text in information().items():
        with open(os.path.join(metadata_directory, folder, file), "w", encoding="utf-8") as stream:
            stream.write(text)
    return folder


def sources():
    """What belongs to the project: what git has, else everything but folders that a build makes."""
    try:
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
        names = [name.decode() for name in listed.split(b"\0") if name]
        if names:
            return [name for name in names if os.path.isfile(os.path.join(ROOT, name))]
    except (OSError, subprocess.CalledProcessError):
        pass
    found = []
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [one for one in folders if not one.startswith(("build", ".")) or folder != ROOT]
        found += [os.path.relpath(os.path.join(folder, name), ROOT) for name in names]
    return found


def build_sdist(sdist_directory, config_settings=None):
    base = "caulk-" + version()
    path = os.path.join(sdist_directory, base + ".tar.gz")
    with tempfile.TemporaryDirectory() as folder, tarfile.open(path, "w:gz", format=tarfile.PAX_FORMAT) as archive:
        information_file = os.path.join(folder, "PKG-INFO")
        with open(information_file, "w", encoding="utf-8") as stream:
            stream.write(metadata())
        archive.add(information_file, base + "/PKG-INFO")
        for name in sorted(sources()):
            archive.add(os.path.join(ROOT, name), base + "/" + name)
    return base + ".tar.gz"
