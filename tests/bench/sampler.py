"""What sampling and tracing cost, beside the peers, in one run: sampler.py [BUILD] [--times N] [--scale F] [--python P]

Every program runs plain and under every tool in turn, N rounds; a ratio is that tool's seconds over plain's of the same
round, and what is printed is the median of the rounds with the lowest and the highest. Peers are installed into
.cache/bench-sampler; those that cannot be are left out.
"""
import argparse
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PEERS = ("memray", "scalene")
PROGRAMS = ("churn", "json", "call", "wide")


def environment_of(python):
    """A virtual environment of that Python with the peers that can be had."""
    version = subprocess.run([python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"],
                             capture_output=True, text=True, check=True).stdout.strip()
    folder = ROOT / ".cache" / ("bench-sampler-" + version)
    inside = folder / "bin" / "python"
    if not inside.exists():
        subprocess.run([python, "-m", "venv", folder], check=True)
    found = []
    for peer in PEERS:
        if not (folder / "bin" / peer).exists():
            subprocess.run([inside, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", peer], capture_output=True)
        if (folder / "bin" / peer).exists():
            found.append(peer)
        else:
            print("left out, not installed: " + peer)
    return inside, version, found


def tools(library, python, found, folder):
    """(name, command before the program, variables, where its file lies)"""
    def preload(name, words):
        path = os.path.join(folder, name)
        return {"LD_PRELOAD": str(library), "CAULK_AGENT": "file=%s %s" % (path, words)}

    rows = [
        ("plain", [python], {}, None),
        ("caulk, sampling", [python], preload("sampled", ""), "sampled"),
        ("caulk, sampling, native", [python], preload("native", "native=1"), "native"),
        ("caulk --every-byte", [python], preload("every", "interval=1"), "every"),
    ]
    if "memray" in found:
        memray = [python, "-m", "memray", "run", "--force", "-q", "-o"]
        rows += [("memray", memray + [os.path.join(folder, "memray")], {}, "memray"),
                 ("memray --trace-python-allocators",
                  memray + [os.path.join(folder, "traced"), "--trace-python-allocators"], {}, "traced")]
    rows += [("tracemalloc, 1 frame", [python, "-X", "tracemalloc=1"], {}, None),
             ("tracemalloc, 25 frames", [python, "-X", "tracemalloc=25"], {}, None)]
    if "scalene" in found:
        rows.append(("scalene --memory", [python, "-m", "scalene", "--cli", "--memory", "--outfile", os.path.join(folder, "scalene")],
                     {}, "scalene"))
    return rows


def seconds(command, variables, program, scale):
    """CPU seconds that the program measured of itself; None if the tool did not run it."""
    done = subprocess.run(command + [str(HERE / "sampler_programs.py"), program, str(scale)], env=dict(os.environ, **variables),
                          capture_output=True, text=True)
    for line in done.stdout.splitlines():
        if line.startswith("seconds "):
            return float(line.split()[2])
    return None


def size_of(folder, name):
    """Bytes on the disk, which a sparse file has fewer of than its length."""
    path = os.path.join(folder, name) if name else ""
    return os.stat(path).st_blocks * 512 if path and os.path.exists(path) else 0


def measure(program, rows, folder, options):
    """{tool: [ratio of each round]}, {tool: bytes of its file}"""
    ratios, sizes = {row[0]: [] for row in rows}, {}
    for _ in range(options.times):
        plain = None
        for name, command, variables, file in rows:
            for old in os.listdir(folder):
                os.unlink(os.path.join(folder, old))
            took = seconds(command, variables, program, options.scale)
            plain = took if name == "plain" else plain
            if took and plain:
                ratios[name].append(took / plain)
            sizes[name] = size_of(folder, file)
    return ratios, sizes


def print_table(program, ratios, sizes):
    print("\n| %s | median | lowest - highest | file |\n|---|---|---|---|" % program)
    for name, found in ratios.items():
        if not found:
            print("| %s | did not run | | |" % name)
            continue
        size = "%.2f MB" % (sizes[name] / 1e6) if sizes[name] else ""
        print("| %s | %.2f | %.2f - %.2f | %s |" % (name, statistics.median(found), min(found), max(found), size), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", nargs="?", default=str(ROOT / "build"))
    parser.add_argument("--times", type=int, default=7)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--only", default=",".join(PROGRAMS))
    options = parser.parse_args()
    library = pathlib.Path(options.build).resolve() / "libcaulk_agent.so"
    if not library.exists():
        sys.exit("no sampler at %s: build it first (make)" % library)
    python, version, found = environment_of(options.python)
    print("CPython %s, %d rounds, CPU seconds of the program itself" % (version, options.times))
    with tempfile.TemporaryDirectory() as folder:
        for program in options.only.split(","):
            print_table(program, *measure(program, tools(library, str(python), found, folder), folder, options))


if __name__ == "__main__":
    main()
