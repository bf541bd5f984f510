"""A bus error of the program's own, when it has faulthandler and the sampler guards its recording: faulthandler tells it once."""
import signal
import subprocess

import pytest

PROGRAM = """
import faulthandler, mmap, os, signal, sys, tempfile, time
def work():
    time.sleep(0.01)
    return [str(number) for number in range(1000)]
def own_fault():
    with tempfile.TemporaryFile() as file:
        file.truncate(8192)
        mapped = mmap.mmap(file.fileno(), 8192)
        file.truncate(0)
        mapped[5000]
faulthandler.enable()
work()
if sys.argv[1] == "enabled again":
    for turn in range(3):
        faulthandler.disable()
        work()
        faulthandler.enable()
        work()
if sys.argv[1] == "sent":
    os.kill(os.getpid(), signal.SIGBUS)
own_fault()
"""


@pytest.mark.parametrize("python", ["3.9", "3.13"], indirect=True)
@pytest.mark.parametrize("how", ["fault", "enabled again", "sent"])
def test_a_bus_error_of_its_own_is_told_once(sampled, python, how):
    # No core is left.
    done = subprocess.run(["/bin/sh", "-c", 'ulimit -c 0; exec "$@"', "sh", python, "-c", PROGRAM, how],
                          env=sampled.environment("interval=1"), capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (-signal.SIGBUS, "")
    assert done.stderr.count("Bus error") == 1 and done.stderr.count("most recent call first") == 1, done.stderr
