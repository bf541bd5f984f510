"""Kill caulk at a random moment, again and again: the target serves on, and the next visit clears up what was left.

    kill9.py [--count 200] [--seed N] [--caulk build/caulk] [--python PYTHON]"""
import os
import random
import subprocess
import time

import soak


def kill9(caulk, python, count, folder, seed=1):
    """Figures of a run that went well; a failed assertion otherwise."""
    chance = random.Random(seed)
    killed = zombies_seen = 0
    picture = os.path.join(folder, "kill.caulk")
    service = soak.Service(python, os.path.join(folder, "server.log"))
    with service:
        for number in range(count):
            command = ["leaks", str(service.pid), "--seconds", "2", "--json", "-"]
            if chance.random() < 0.7:
                command = ["snapshot", str(service.pid), "-o", picture]
            delay = chance.uniform(0, 0.08)
            visitor = subprocess.Popen([caulk] + command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(delay)
            killed += visitor.poll() is None
            visitor.kill()
            visitor.wait()
            where = "after kill %d (%s after %.1f ms, seed %d)" % (number, command[0], 1000 * delay, seed)
            try:
                service.serves()
            except Exception as error:
                raise AssertionError("%s the server is silent: %r; stopped threads %s, traced by %s, children %s" % (
                    where, error, soak.stopped_tasks(service.pid), soak.traced_by(service.pid), service.children())) from error
            assert not soak.stopped_tasks(service.pid) or wait_until_running(service.pid), where + ": threads stay stopped"
            left = service.children()
            alive = {pid: state for pid, state in left.items() if state != "Z"}
            assert not alive or not wait_until_dead(service, alive), "%s pictures live on: %s" % (where, alive)
            zombies_seen += len(left)
        visits(caulk, service, picture)
        service.load.__exit__()
        service.check_load()
        service.check_unharmed()
        return {"visits": count, "killed at work": killed, "zombies seen between visits": zombies_seen,
                "requests": service.load.answered, "slowest answer ms": round(1000 * service.load.slowest)}


CLEARED_PER_VISIT = 15  # src/memory/picture.c collects 16 pictures at once, its own among them


def visits(caulk, service, picture):
    """Visits that are not killed. Each clears what others left, a bounded number at a time; in the end nothing is left."""
    left = len(service.children())
    while True:
        done = subprocess.run([caulk, "snapshot", str(service.pid), "-o", picture], capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr[-1500:]
        zombies = service.children()
        assert len(zombies) <= max(0, left - CLEARED_PER_VISIT), "%d were left, after a visit that ended well: %s" % (left, zombies)
        if not zombies:
            return
        left = len(zombies)


def wait_until_running(pid):
    """Whether no thread is stopped any more, soon."""
    for _ in range(50):
        if not soak.stopped_tasks(pid):
            return True
        time.sleep(0.02)
    return False


def wait_until_dead(service, pids):
    """Those of `pids` that still live after a second."""
    for _ in range(50):
        states = service.children()
        if not any(states.get(pid, "Z") != "Z" for pid in pids):
            return []
        time.sleep(0.02)
    return [pid for pid in pids if states.get(pid, "Z") != "Z"]


def main():
    parser = soak.arguments(__doc__, 200)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    soak.show_figures(parser, lambda options, *where: kill9(*where, options.seed))


if __name__ == "__main__":
    main()
