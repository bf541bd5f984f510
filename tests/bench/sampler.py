"""What sampling and tracing cost, beside the peers, in one run: sampler.py [BUILD] [--times N] [--scale F] [--python P]

Every program runs plain and under every tool in turn, N rounds; a ratio is that tool's processor seconds over plain's of the same
round (plain runs first and last, and their mean counts), and what is printed is the median of the rounds with the lowest and
the highest. The seconds are those that the program measures of its own work; what tools do before and after is not in
them. Then the sampler alone, once more and closer: plain and sampled at once, taking turns on one processor, so that what
slows the machine down meets both. Memory is how much higher the process's greatest RSS is than plain's. Files are bytes on
the disk: as they are kept, and, where that differs, as they are while the program runs. Peers are installed into
.cache/bench-sampler-VERSION; those that cannot be are left out and named.
"""
import argparse
import datetime
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile

import figures

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PEERS = {"memray": "memray", "scalene": "scalene", "filprofiler": "fil-profile"}  # package: command
PROGRAMS = ("churn", "json", "call", "wide")
PAIRED, PAIRED_TIMES, PAIRED_SCALE = ("churn", "json", "call"), 15, 5


def environment_of(python):
    """A virtual environment of that Python with the peers that can be had."""
    version = subprocess.run([python, "-c", "import sys; print('%d.%d.%d' % sys.version_info[:3])"],
                             capture_output=True, text=True, check=True).stdout.strip()
    folder = ROOT / ".cache" / ("bench-sampler-" + version)
    inside = folder / "bin" / "python"
    if not inside.exists():
        subprocess.run([python, "-m", "venv", folder], check=True)
    found = {}
    for peer, command in PEERS.items():
        if not (folder / "bin" / command).exists():
            subprocess.run([inside, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", peer], capture_output=True)
        if (folder / "bin" / command).exists():
            found[peer] = version_of(inside, peer)
        else:
            print("left out, not installed: " + peer)
    return inside, version, found


def version_of(python, package):
    ask = "import importlib.metadata as m; print(m.version(%r))" % package
    return subprocess.run([python, "-c", ask], capture_output=True, text=True).stdout.strip()


class Tool:
    """How a program is run: the words before it, variables, and the file that is left."""

    def __init__(self, name, command, variables=None, file=None):
        self.name, self.command, self.variables, self.file = name, command, variables or {}, file

    def run(self, program, scale, folder):
        """(processor seconds that the program measured of itself, kilobytes of its greatest RSS, bytes of the file)"""
        for old in pathlib.Path(folder).iterdir():
            shutil.rmtree(old) if old.is_dir() else old.unlink()
        words = read_words(self.start(program, scale, folder))
        return (float(words[2]), int(words[4]), size_of(self.file)) if words else None

    def start(self, program, scale, folder):
        return subprocess.Popen(self.command + [str(HERE / "sampler_programs.py"), program, str(scale)], cwd=folder,
                                env=dict(os.environ, **self.variables), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def read_words(process):
    """What the program says of its seconds and its memory; None if it did not get there."""
    out, _ = process.communicate()
    return next((line.split() for line in out.splitlines() if line.startswith("seconds ")), None)


def size_of(path):
    """Bytes on the disk, which a sparse file has fewer of than its length."""
    files = [path] if path and os.path.isfile(path) else [one for one in pathlib.Path(path).rglob("*")] if path else []
    return sum(os.stat(one).st_blocks * 512 for one in files if os.path.exists(one))


def tools(build, python, found, folder):
    python, scripts = str(python), os.path.dirname(python)

    def path(name):
        return os.path.join(folder, name)

    def caulk(name, *words):
        return Tool(name, [str(build / "caulk"), "run", *words, "-o", path("caulk"), "--", python], file=path("caulk"))

    def memray(name, *words):
        return Tool(name, [python, "-m", "memray", "run", "--force", "-q", "-o", path("memray"), *words], file=path("memray"))

    rows = [Tool("plain", [python]), caulk("caulk run"), caulk("caulk run --native", "--native"),
            caulk("caulk run --every-byte", "--every-byte")]
    if "memray" in found:
        rows += [memray("memray"), memray("memray --trace-python-allocators", "--trace-python-allocators")]
    rows += [Tool("tracemalloc, 1 frame", [python, "-X", "tracemalloc=1"]),
             Tool("tracemalloc, 25 frames", [python, "-X", "tracemalloc=25"])]
    if "scalene" in found:
        rows.append(Tool("scalene --memory", [python, "-m", "scalene", "run", "--memory", "--outfile", path("scalene.json")],
                         file=path("scalene.json")))
    if "filprofiler" in found:
        rows.append(Tool("fil", [scripts + "/fil-profile", "-o", path("fil"), "--no-browser", "run"], file=path("fil")))
    return rows + [Tool("plain", [python])]


def measure(program, rows, folder, options):
    """{tool: [(ratio, kilobytes more than plain, bytes of its file) of each round]}"""
    found = {row.name: [] for row in rows}
    for _ in range(options.times):
        took = [(row.name, row.run(program, options.scale, folder)) for row in rows]
        plain = [one for name, one in took if name == "plain" and one]
        seconds, memory = (statistics.mean(one[i] for one in plain) for i in (0, 1))
        for name, one in took:
            if one:
                found[name].append((one[0] / seconds, one[1] - memory, one[2]))
    return found


def print_table(program, found):
    print("\n| %s | median | lowest - highest | RSS added, MB | file kept, MB |\n|---|---|---|---|---|" % program)
    for name, rounds in found.items():
        if not rounds:
            print("| %s | did not run | | | |" % name)
            continue
        ratios, memory, size = ([one[i] for one in rounds] for i in range(3))
        kept = "%.3f" % (statistics.median(size) / 1e6) if size[0] else ""
        more = "%.1f" % (statistics.median(memory) / 1e3) if name != "plain" else ""
        print("| %s | %.3f | %.3f - %.3f | %s | %s |" % (name, statistics.median(ratios), min(ratios), max(ratios), more, kept),
              flush=True)


def print_pairs(build, python, folder, options):
    """Plain and sampled at once on one processor, each first in every second round."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    print("\n| beside plain on one processor | median | lowest - highest |\n|---|---|---|")
    for program in PAIRED:
        for name, words in (("sampling", ""), ("every byte", "interval=1")):
            variables = {"LD_PRELOAD": str(build / "libcaulk_agent.so"), "CAULK_AGENT": "file=%s/%%p %s" % (folder, words)}
            pair = [Tool("plain", [python]), Tool(name, [python], variables)]
            ratios = []
            for number in range(PAIRED_TIMES):
                order = pair if number % 2 else reversed(pair)
                started = {one.name: one.start(program, PAIRED_SCALE * options.scale, folder) for one in order}
                took = {each: float(read_words(process)[2]) for each, process in started.items()}
                ratios.append(took[name] / took["plain"])
            print("| %s, %s | %.3f | %.3f - %.3f |" % (program, name, statistics.median(ratios), min(ratios), max(ratios)),
                  flush=True)


def print_files(build, python, folder, options):
    """What lies on the disk while a program runs, and what is kept of it; once, since it does not depend on the clock."""
    mapped, library = os.path.join(folder, "mapped"), str(build / "libcaulk_agent.so")
    memray = [str(python), "-m", "memray", "run", "--force", "-q", "--trace-python-allocators", "-o"]
    four = [Tool("caulk, while it runs", [str(python)],
                 {"LD_PRELOAD": library, "CAULK_AGENT": "interval=1 file=" + mapped}, mapped),
            Tool("caulk, kept", [str(build / "caulk"), "run", "--every-byte", "-o", mapped, "--", str(python)], file=mapped),
            Tool("memray, while it runs", memray + [mapped, "--no-compress"], file=mapped),
            Tool("memray, kept", memray + [mapped], file=mapped)]
    print("\n| every byte, MB on the disk | %s | caulk / memray, runs | kept |" % " | ".join(one.name for one in four))
    print("|---|---|---|---|---|---|---|")
    for program in options.only.split(","):
        for scale in (options.scale, 5 * options.scale):
            sizes = [(one.run(program, scale, folder) or (0, 0, 0))[2] / 1e6 for one in four]
            print("| %s x %g | %s | 1/%.0f | 1/%.0f |" % (program, scale, " | ".join("%.3f" % size for size in sizes),
                                                      sizes[2] / (sizes[0] or 1), sizes[3] / (sizes[1] or 1)), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", nargs="?", default=str(ROOT / "build"))
    parser.add_argument("--times", type=int, default=7)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--only", default=",".join(PROGRAMS))
    parser.add_argument("--without-files", action="store_true", help="leave out the table of files")
    parser.add_argument("--without-pairs", action="store_true", help="leave out the sampler beside plain")
    options = parser.parse_args()
    build = pathlib.Path(options.build).resolve()
    if not (build / "libcaulk_agent.so").exists():
        sys.exit("no sampler at %s: build it first (make)" % build)
    python, version, found = environment_of(options.python)
    print("%s, CPython %s, %s, %d rounds, scale %g, load %s" % (
        datetime.date.today(), version, ", ".join("%s %s" % one for one in found.items()), options.times, options.scale,
        figures.machine()["load"]))
    with tempfile.TemporaryDirectory() as folder:
        for program in options.only.split(","):
            print_table(program, measure(program, tools(build, str(python), found, folder), folder, options))
        if "memray" in found and not options.without_files:
            print_files(build, python, folder, options)
        if not options.without_pairs:
            print_pairs(build, str(python), folder, options)


if __name__ == "__main__":
    main()
