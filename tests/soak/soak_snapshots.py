"""Snapshot after snapshot of a server under load: no request fails and nothing is left behind.

    soak_snapshots.py [--count 500] [--caulk build/caulk] [--python PYTHON] [--full]

--full sends requests without a pause between them. Calls of the server that fail with EINTR are counted; only
the kinds that the kernel interrupts at any stop of a thread (waiters.py: MAY_BE_INTERRUPTED) may have any."""
import os
import subprocess
import time

import soak
import waiters



def check_interrupted(counts):
    """What was interrupted that may be; a failed assertion for what may not be."""
    assert all(made for made, _ in counts.values()), "calls were never made: %s" % counts
    broken = {kind: numbers for kind, numbers in counts.items() if numbers[1] and kind not in waiters.MAY_BE_INTERRUPTED}
    assert not broken, "calls failed with EINTR ([made, failed]): %s" % broken
    return {kind: failed for kind, (_, failed) in counts.items() if failed}


def soak_snapshots(caulk, python, count, folder, pause=0.003):
    """Figures of a run that went well; a failed assertion otherwise."""
    picture = os.path.join(folder, "soak.caulk")
    service = soak.Service(python, os.path.join(folder, "server.log"), pause)
    begin = time.monotonic()
    with service:
        for number in range(count):
            done = subprocess.run([caulk, "snapshot", str(service.pid), "-o", picture], capture_output=True, text=True,
                                  timeout=120)
            assert done.returncode == 0, "snapshot %d: status %d: %s" % (number, done.returncode, done.stderr[-1500:])
            assert os.path.getsize(picture) > 100000
            zombies = [pid for pid, state in service.children().items() if state == "Z"]
            assert not zombies, "snapshot %d left zombies %s" % (number, zombies)
            service.check_load()
        seconds = time.monotonic() - begin
        service.load.__exit__()
        service.check_load()
        interrupted = service.interrupted()
        service.check_unharmed()
        return {"snapshots": count, "requests": service.load.answered, "failed": len(service.load.failures), "zombies": 0,
                "descriptors left": 0, "waiting calls": sum(made for made, _ in interrupted.values()),
                "EINTR where the kernel allows it": check_interrupted(interrupted), "EINTR elsewhere": 0,
                "slowest answer ms": round(1000 * service.load.slowest), "seconds": round(seconds, 1)}


def main():
    parser = soak.arguments(__doc__, 500)
    parser.add_argument("--full", action="store_true", help="requests without a pause")
    soak.show_figures(parser, lambda options, *where: soak_snapshots(*where, 0 if options.full else 0.003))


if __name__ == "__main__":
    main()
