"""What sampling costs over the benchmarks of pyperformance: suite.py [BUILD] [--times N] [--python P] [--only A,B] [--json FILE]

Each benchmark's own script measures itself with pyperf, N rounds, in two processes at once, plain and sampled, that take
turns on one processor: what slows the machine down for a while meets both. Which of them is first changes with every round,
and so does the seed of hashes, for both alike. Times are processor seconds; a process counts with the sum of its values, of
which it takes 3 to 15 within about a second. The ratio of a benchmark is the median of its rounds, and the result is the
geometric mean of these. pyperformance and what its scripts need are installed into .cache/bench-suite-VERSION; a script that
does not run plain is left out and named.
"""
import argparse
import datetime
import json
import math
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

import figures

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
GOAL = 1.01
LEAST_SECONDS = 0.03  # of one value
ALL_SECONDS = 1.0     # of a process's values
VALUES = (3, 15)      # of a process, at least and at most

# What is installed is what the scripts of these ask for; those with arguments have several benchmarks in one script.
WITH_NEEDS = ("chameleon", "crypto_pyaes", "django_template", "genshi", "html5lib", "mako", "tomli_loads")
ALONE = ("argparse", "async_generators", "barnes_hut", "chaos", "comprehensions", "coroutines", "deepcopy", "deltablue",
         "fannkuch", "float", "gc_collect", "gc_traversal", "generators", "go", "hexiom", "json_dumps", "json_loads", "mdp",
         "meteor_contest", "nbody", "nqueens", "pathlib", "pidigits", "pprint", "pyflate", "raytrace", "regex_compile",
         "regex_dna", "regex_effbot", "regex_v8", "richards", "richards_super", "scimark", "spectral_norm", "sqlite_synth",
         "telco", "typing_runtime_protocols", "unpack_sequence", "xml_etree")
WITH_ARGUMENTS = {"async_tree": ["async_tree", "none"], "async_tree_memoization": ["async_tree", "memoization"],
                  "logging_format": ["logging", "format"], "logging_silent": ["logging", "silent"],
                  "pickle": ["pickle", "pickle"], "pickle_pure_python": ["pickle", "--pure-python", "pickle"],
                  "unpickle": ["pickle", "unpickle"], "unpickle_pure_python": ["pickle", "--pure-python", "unpickle"]}


def benchmarks():
    """{name: [name of the script, arguments ...]}"""
    return dict({name: [name] for name in ALONE + WITH_NEEDS}, **WITH_ARGUMENTS)


def environment_of(python):
    version = subprocess.run([python, "-c", "import sys; print('%d.%d.%d' % sys.version_info[:3])"],
                             capture_output=True, text=True, check=True).stdout.strip()
    folder = ROOT / ".cache" / ("bench-suite-" + version)
    inside = folder / "bin" / "python"
    install = [inside, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    if not inside.exists():
        subprocess.run([python, "-m", "venv", folder], check=True)
    scripts = list(folder.glob("lib/python*/site-packages/pyperformance/data-files/benchmarks"))
    if not scripts:
        subprocess.run(install + ["pyperformance"], check=True)
        scripts = list(folder.glob("lib/python*/site-packages/pyperformance/data-files/benchmarks"))
        for name in WITH_NEEDS:
            subprocess.run(install + ["-r", scripts[0] / ("bm_" + name) / "requirements.txt"], capture_output=True)
    return inside, version, scripts[0]


class Run:
    """A script in a process of its own."""

    def __init__(self, python, scripts, words, loops, values, variables):
        self.folder = tempfile.TemporaryDirectory()
        self.result = os.path.join(self.folder.name, "values.json")
        command = [python, HERE / "suite_process.py", scripts / ("bm_" + words[0]) / "run_benchmark.py", "--worker", "-w", "1",
                   "-n", str(values), "-l", str(loops), "-o", self.result] + words[1:]
        self.process = subprocess.Popen(command, env=dict(os.environ, **variables), cwd=self.folder.name,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def seconds(self, choose):
        """[chosen of the processor seconds of one loop] of each of the script's benchmarks, empty if it does not run"""
        with self.folder:
            if self.process.wait() or not os.path.exists(self.result):
                return []
            with open(self.result) as file:
                found = json.load(file)
            return [choose(values_of(one, found.get("metadata", {}))) for one in found["benchmarks"]]


def values_of(benchmark, of_all):
    run = benchmark["runs"][-1]
    inner = dict(of_all, **benchmark.get("metadata", {}), **run.get("metadata", {})).get("inner_loops", 1)
    return [value * inner for value in run["values"]]


def loops_for(python, scripts, words):
    """(loops, values): so many that a value of a script's longest benchmark takes the least time; loops 0 if it does not run."""
    loops = 1
    while True:
        seconds = Run(python, scripts, words, loops, 1, {}).seconds(min)
        if not seconds:
            return 0, 0
        value = max(max(seconds) * loops, 1e-7)
        missing = LEAST_SECONDS / value
        if missing <= 1.2 or loops > 1 << 20:
            return loops, max(VALUES[0], min(VALUES[1], int(ALL_SECONDS / value)))
        loops = max(loops + 1, math.ceil(loops * min(missing, 100)))


def measure(python, scripts, words, loops, values, library, times):
    """[sampled / plain of each round]; a script with several benchmarks counts with their sum."""
    ratios = []
    for number in range(times):
        with tempfile.TemporaryDirectory() as folder:
            variables = {False: {}, True: {"LD_PRELOAD": str(library), "CAULK_AGENT": "file=%s/%%p" % folder}}
            runs = {sampled: Run(python, scripts, words, loops, values, dict(variables[sampled], PYTHONHASHSEED=str(number)))
                    for sampled in (number % 2 == 0, number % 2 == 1)}
            took = {sampled: sum(run.seconds(sum)) for sampled, run in runs.items()}
            if all(took.values()):
                ratios.append(took[True] / took[False])
    return ratios


def percent(ratio):
    return 100 * (ratio - 1)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", nargs="?", default=str(ROOT / "build"))
    parser.add_argument("--times", type=int, default=7)
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--only", default=",".join(benchmarks()))
    parser.add_argument("--json")
    options = parser.parse_args()
    library = pathlib.Path(options.build).resolve() / "libcaulk_agent.so"
    if not library.exists():
        sys.exit("no sampler at %s: build it first (make)" % library)
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    python, version, scripts = environment_of(options.python)
    table, medians, left_out = figures.Figures(), [], []
    table.title("pyperformance on CPython %s, sampled against plain" % version)
    for name in options.only.split(","):
        words = benchmarks()[name]
        loops, values = loops_for(python, scripts, words)
        ratios = measure(python, scripts, words, loops, values, library, options.times) if loops else []
        if len(ratios) == options.times:
            medians.append(statistics.median(ratios))
            table.add(name, "% more", [percent(ratio) for ratio in ratios])
        else:
            left_out.append(name)
    if left_out:
        print("  left out, do not run here: " + ", ".join(left_out))
    table.title("together: %d benchmarks, %s, load %s" % (len(medians), datetime.date.today(), figures.machine()["load"]))
    table.add("geometric mean of the medians", "% more", [percent(statistics.geometric_mean(medians))], goal=percent(GOAL))
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps({"machine": figures.machine(), "python": version, "rows": table.rows}))


if __name__ == "__main__":
    main()
