"""Snapshot after snapshot of a server under load: no request fails and nothing is left behind.

    soak_snapshots.py [--count 500] [--caulk build/caulk] [--python PYTHON]"""
import argparse
import os
import subprocess
import sys
import tempfile
import time

import soak


def soak_snapshots(caulk, python, count, folder):
    """Figures of a run that went well; a failed assertion otherwise."""
    picture = os.path.join(folder, "soak.caulk")
    service = soak.Service(python, os.path.join(folder, "server.log"))
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
        service.check_unharmed()
        return {"snapshots": count, "requests": service.load.answered, "slowest answer ms": round(1000 * service.load.slowest),
                "seconds": round(seconds, 1)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--caulk", default=os.path.join(soak.HERE, "../../build/caulk"))
    parser.add_argument("--python", default=sys.executable)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(soak_snapshots(os.path.abspath(options.caulk), options.python, options.count, folder))


if __name__ == "__main__":
    main()
