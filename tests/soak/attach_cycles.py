"""The sampler into a server under load and out again, many times: no request fails and nothing grows.

    attach_cycles.py [--count 1000] [--seconds S] [--caulk build/caulk] [--python PYTHON] [--native] [--kill SEED]

With --seconds no cycle begins after so many; "cycles" is the number reached. With --kill caulk is killed at a random
moment of each attach and detach; then only that the server serves on counts, and that visits which are not killed find it
in order."""
import json
import os
import random
import subprocess
import time

import soak
import soak_snapshots

import target as targets  # in tests/support, as soak.py knows

WARM_UP = 0.2        # share of the cycles after which growth counts
GROWTH_KIB = 1536    # of a threaded server's resident memory, which moves by itself
SAMPLER_MAPPINGS = 8  # the library's segments, the recording, the range


def call(caulk, command, pid, *more):
    done = subprocess.run([caulk, command, str(pid), "--json", "-"] + list(more), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, "%s: status %d: %s" % (command, done.returncode, done.stderr[-1500:])
    return json.loads(done.stdout)


def cycles(caulk, service, count, native, deadline, figures):
    ways, stood, resident = {}, [], []
    for number in range(count):
        if number and time.monotonic() > deadline:
            count = figures["cycles"] = number
            break
        for command, more in (("attach", ["--interval", "65536", *["--native"] * native]), ("detach", [])):
            report = call(caulk, command, service.pid, *more)
            ways[report["way"]] = ways.get(report["way"], 0) + 1
            stood.append(report["paused_ms"])
            assert report["was_loaded"] == (number > 0 or command == "detach"), report
        service.check_load()
        resident.append(targets.resident_kib(service.pid))
    first = resident[int(count * WARM_UP):]
    quarter = max(1, len(first) // 4)
    figures["KiB grown"] = sorted(first[-quarter:])[quarter // 2] - sorted(first[:quarter])[quarter // 2]
    figures["resident KiB"] = resident[-1]
    figures["ways"], figures["stood ms, median"] = ways, round(sorted(stood)[len(stood) // 2], 2)


def killed_cycles(caulk, service, count, seed, figures):
    chance = random.Random(seed)
    killed = 0
    for number in range(count):
        command = chance.choice(["attach", "detach"])
        visitor = subprocess.Popen([caulk, command, str(service.pid)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(chance.uniform(0, 0.06))
        killed += visitor.poll() is None
        visitor.kill()
        visitor.wait()
        service.serves()
    call(caulk, "attach", service.pid)
    call(caulk, "detach", service.pid)
    figures["killed at work"] = killed


def check_left(service):
    """Nothing but the library and its recording is left in the server, once its threads for connections have ended."""
    after, deadline = service.quiet_state(), time.monotonic() + 60
    while after["threads"] > service.before["threads"] and time.monotonic() < deadline:
        after = service.quiet_state()
    for key in ("descriptors", "threads"):
        assert after[key] <= service.before[key] + (key == "descriptors"), (key, service.before, after)
    assert after["mappings"] <= service.before["mappings"] + 12 + SAMPLER_MAPPINGS, (service.before, after)
    assert not service.children() and after["waitable"] is None
    assert soak.traced_by(service.pid) == {0} and not soak.stopped_tasks(service.pid)
    assert not service.process.errors(), service.process.errors()
    with open("/proc/%d/maps" % service.pid) as maps:
        assert "caulk-door" not in maps.read()
    return after


def attach_cycles(caulk, python, count, folder, kill=None, native=False, seconds=float("inf")):
    """Figures of a run that went well; a failed assertion otherwise."""
    service = soak.Service(python, os.path.join(folder, "server.log"))
    figures = {"cycles": count}
    begin = time.monotonic()
    with service:
        if kill is None:
            cycles(caulk, service, count, native, begin + seconds, figures)
        else:
            killed_cycles(caulk, service, count, kill, figures)
        service.load.__exit__()
        service.check_load()
        interrupted = service.interrupted()
        if kill is None:  # who is killed cannot begin again what it interrupted
            interrupted = soak_snapshots.check_interrupted(interrupted)
        after = check_left(service)
        figures.update({"requests": service.load.answered, "failed": len(service.load.failures),
                        "descriptors": "%d -> %d" % (service.before["descriptors"], after["descriptors"]),
                        "mappings": "%d -> %d" % (service.before["mappings"], after["mappings"]),
                        "slowest answer ms": round(1000 * service.load.slowest), "EINTR where the kernel allows it": interrupted if kill is None else "not counted",
                        "seconds": round(time.monotonic() - begin, 1)})
    assert figures.get("KiB grown", 0) <= GROWTH_KIB, figures
    return figures


def main():
    parser = soak.arguments(__doc__, 1000)
    parser.add_argument("--seconds", type=float, default=float("inf"), metavar="S")
    parser.add_argument("--native", action="store_true", help="with the slots of its libraries")
    parser.add_argument("--kill", type=int, default=None, metavar="SEED")
    soak.show_figures(parser, lambda options, *where: attach_cycles(*where, options.kill, options.native, options.seconds))


if __name__ == "__main__":
    main()
