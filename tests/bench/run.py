"""Measures caulk beside its peers, on this machine, in one run: run.py [CAULK] [--quick] [--only pause,pipeline,leaks]

Prints tables and writes build/bench.json. Peers are installed into .cache/bench; those that cannot be are left out.
"""

import argparse
import json
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile
import time

import figures
import programs

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
VENV = ROOT / ".cache" / "bench"
PEERS = ("guppy3", "pympler", "objgraph")


class Bench:
    def __init__(self, options):
        self.caulk = options.caulk.resolve()
        self.pipeline = self.caulk.parent / "tests" / "bench" / "bench_pipeline"
        self.times = 3 if options.quick else 9
        self.few = 1 if options.quick else 3
        self.objects = 200_000 if options.quick else 2_000_000
        self.larger = 350_000 if options.quick else 3_500_000
        self.quick = options.quick
        self.python, self.peers = peers_python()
        self.figures = figures.Figures(goals=not options.quick)


def peers_python():
    """The interpreter of all targets, and whether the peers are installed in it."""
    done, wanted = VENV / "done", HERE / "requirements.txt"
    try:
        if not done.exists() or done.stat().st_mtime < wanted.stat().st_mtime:
            subprocess.run([sys.executable, "-m", "venv", VENV], check=True, capture_output=True)
            subprocess.run([VENV / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
                            "-r", wanted], check=True, capture_output=True)
            done.touch()
        return VENV / "bin" / "python", PEERS
    except (OSError, subprocess.CalledProcessError) as error:
        print("left out, not installed: %s (%s)" % (", ".join(PEERS), error))
        return pathlib.Path(sys.executable), ()


# --- 1: how long the target stands still ---


def pause_of_caulk(bench, target, goal, name):
    own, seen, idle = [], [], []
    for _ in range(bench.times):
        begin = time.perf_counter()
        seen.append(target.longest_gap(lambda: own.append(programs.pause_by_caulk(bench.caulk, target.pid))))
        took = time.perf_counter() - begin
        idle.append(target.longest_gap(lambda: time.sleep(took)))
    bench.figures.add("%s: caulk, by its own clock" % name, "ms", own, goal)
    bench.figures.add("%s: caulk, seen by the target" % name, "ms", seen)
    bench.figures.add("%s: nobody looks, seen by the target" % name, "ms", idle, note="as long: noise of the machine")


def pause_of_gcore(bench, target, name):
    if not shutil.which("gcore"):
        print("  left out, not installed: gcore")
        return
    seen = [target.longest_gap(lambda: programs.gcore(target.pid)) for _ in range(bench.few)]
    bench.figures.add("%s: gcore (gdb), seen by the target" % name, "ms", seen)


def pause_of_peer(bench, peer, name):
    took, seen = [], []
    for _ in range(bench.few):
        with programs.program(bench.python, "heap_of_objects.py", "--objects", bench.objects) as target:
            seen.append(target.longest_gap(lambda: took.append(float(target.ask("census " + peer)) * 1000)))
    bench.figures.add("%s: %s, longest gap seen by the target" % (name, peer), "ms", seen)
    bench.figures.add("%s: %s, thread that asked is busy" % (name, peer), "ms", took)


def measure_pause(bench):
    bench.figures.title("Pause of the target, 4 KiB pages")
    for megabytes, goal in ((100, 6), (1000, 30)):
        for threads in (1, 20):
            name = "%d MB, %d thread%s" % (megabytes, threads, "s" if threads > 1 else "")
            with programs.program(bench.python, "pages.py", "--megabytes", megabytes, "--threads", threads) as target:
                pause_of_caulk(bench, target, goal, name)
                if threads == 1:
                    pause_of_gcore(bench, target, name)
    name = "%g M gc objects" % (bench.objects / 1e6)
    bench.figures.title("Pause of the target, %s: tools that count objects" % name)
    with programs.program(bench.python, "heap_of_objects.py", "--objects", bench.objects) as target:
        pause_of_caulk(bench, target, None, name)
        pause_of_gcore(bench, target, name)
    for peer in bench.peers:
        pause_of_peer(bench, peer, name)


# --- 2: from a process id to a graph with retained sizes ---


STAGES = ("freeze", "capture", "reach", "dominators")


def seconds_of(result):
    return sum(result[stage] for stage in STAGES)


def measure_heap(bench, count, aged, goal):
    name = "%g M, %s" % (count / 1e6, "aged" if aged else "fresh")
    arguments = ["--objects", count] + (["--aged"] if aged else [])
    with programs.program(bench.python, "heap_of_objects.py", *arguments) as target:
        results = [json.loads(programs.run([bench.pipeline, target.pid], core=0)[0]) for _ in range(bench.times)]
        command = [programs.run([bench.caulk, "top", target.pid, "--by", "retained", "--json", "-"], core=0)[1]
                   for _ in range(bench.times)]
    add = bench.figures.add
    median = add("%s: pid to retained sizes" % name, "s", map(seconds_of, results), goal)
    for stage in STAGES:
        add("%s:   %s" % (name, {"freeze": "freeze and copy"}.get(stage, stage)), "s", [r[stage] for r in results])
    add("%s: processor time of these" % name, "s", [r["cpu"] for r in results])
    add("%s: whole command caulk top PID" % name, "s", command, note="also best paths and output")
    add_sizes(bench, name, results)
    return median


def add_sizes(bench, name, results):
    add = bench.figures.add
    add("%s: objects per second" % name, "M/s", [r["objects"] / seconds_of(r) / 1e6 for r in results],
        note="%s objects, %s references, %s collected" % tuple(
            "{:,}".format(results[0][key]) for key in ("objects", "references", "gc_objects")))
    add("%s: image to the target's RSS" % name, "", [r["image_resident"] / r["target_resident"] for r in results], 1.1)
    allowed = [60 * r["objects"] + 10 * r["references"] for r in results]
    add("%s: peak beside the image to 60 B/object + 10 B/reference" % name, "",
        [r["peak"] / limit for r, limit in zip(results, allowed)], 1.0)
    add("%s: kept beside the image" % name, "B/object",
        [(r["graph_bytes"] + r["analysis_bytes"]) / r["objects"] for r in results])


def measure_pipeline(bench):
    bench.figures.title("Pid to graph with retained sizes, one core")
    caulk = measure_heap(bench, bench.objects, False, 2.0)
    measure_heap(bench, bench.objects, True, 3.5)
    measure_heap(bench, bench.larger, False, 2.0 * bench.larger / bench.objects)
    measure_heap(bench, bench.larger, True, 3.5 * bench.larger / bench.objects)
    bench.figures.title("The same census from inside the program, to the time of caulk")
    for peer in bench.peers:
        seconds = []
        for _ in range(bench.few):
            with programs.program(bench.python, "heap_of_objects.py", "--objects", bench.objects) as target:
                seconds.append(float(target.ask("census " + peer)))
        bench.figures.add("%g M, fresh: %s" % (bench.objects / 1e6, peer), "s", seconds,
                          note="%.1f times; types and sizes only" % (sorted(seconds)[len(seconds) // 2] / caulk))


# --- 3: what a watch costs ---


class Service:
    """The leaking service, and how much it has done so far."""

    def __init__(self, target, counter):
        self.target, self.counter = target, counter

    def so_far(self):
        return (struct.unpack("q", self.counter.read_bytes()[:8])[0], time.perf_counter(),
                programs.processor_seconds(self.target.pid))

    def during(self, action):
        """Requests per second of the wall clock and per second of the service's processor time, and the result."""
        requests, wall, processor = self.so_far()
        result = action()
        requests_after, wall_after, processor_after = self.so_far()
        done = requests_after - requests
        return done / (wall_after - wall), done / (processor_after - processor), result


def watch_once(bench, seconds):
    """Half a window alone, a window watched, half a window alone: what the watch cost, in per cent and seconds."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(bytes(4096))
        file.flush()
        counter = pathlib.Path(file.name)
        with programs.program(bench.python, "service.py", counter) as target:
            service = Service(target, counter)
            command = [bench.caulk, "leaks", target.pid, "--seconds", seconds, "--json", "-"]
            time.sleep(0.5)
            before = service.during(lambda: time.sleep(seconds / 2))
            watched = service.during(lambda: programs.run(command, accepted=(0, 1, 2)))
            after = service.during(lambda: time.sleep(seconds / 2))
    alone = [(before[i] + after[i]) / 2 for i in (0, 1)]
    output, took, cpu = watched[2]
    return {"alone": alone[0], "watched": watched[0], "slower": 100 * (1 - watched[0] / alone[0]),
            "dearer": 100 * (alone[1] / watched[1] - 1), "took": took, "cpu": cpu, "verdict": json.loads(output)}


def measure_leaks(bench):
    seconds, rounds = (3, 2) if bench.quick else (8, 7)
    bench.figures.title("caulk leaks for %d s on a service that leaks" % seconds)
    rows = [watch_once(bench, seconds) for _ in range(rounds)]

    def add(name, unit, key, note=""):
        bench.figures.add(name, unit, [row[key] for row in rows], note=note)
    add("requests, alone", "1/s", "alone")
    add("requests, watched", "1/s", "watched")
    add("slow-down by the clock", "%", "slower", "other programs of the machine show here too")
    add("processor time per request, more", "%", "dearer")
    add("processor time of caulk", "s", "cpu")
    add("seconds it took", "s", "took")
    bench.figures.add("pause of each snapshot", "ms",
                      [pause for row in rows for pause in row["verdict"]["window"]["pause_ms"]])
    print("  verdicts: " + ", ".join(row["verdict"]["verdict"] for row in rows))


PARTS = {"pause": measure_pause, "pipeline": measure_pipeline, "leaks": measure_leaks}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("caulk", nargs="?", type=pathlib.Path, default=ROOT / "build" / "caulk")
    parser.add_argument("--quick", action="store_true", help="small heaps, few rounds: to see that it runs")
    parser.add_argument("--only", default=",".join(PARTS), help="parts, with commas")
    parser.add_argument("--output", type=pathlib.Path, default=ROOT / "build" / "bench.json")
    options = parser.parse_args()
    bench = Bench(options)
    about = figures.machine()
    version = subprocess.run([bench.python, "--version"], capture_output=True, text=True).stdout.strip()
    print("%(processor)s, %(cores)d cores, %(memory_gib)s GiB, Linux %(kernel)s, load %(load)s" % about, "·", version)
    for part in options.only.split(","):
        PARTS[part](bench)
    options.output.parent.mkdir(exist_ok=True)
    options.output.write_text(json.dumps({"machine": about, "python": version, "figures": bench.figures.rows}, indent=1))
    print("\nwritten to %s" % options.output)


if __name__ == "__main__":
    main()
