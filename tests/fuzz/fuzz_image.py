"""Wild heaps of every Python that is here: fuzz_image.py PROGRAM [--seconds N] [--seed N]; the seconds are for all."""
import argparse
import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
from support import pythons  # noqa: E402

SKIPPED = 77


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--seed", type=int, default=1, help="0: another one each time")
    options = parser.parse_args()
    seed = options.seed or int(time.time())
    found = [python for python in map(pythons.find, pythons.BUILDS) if python]
    if not found:
        print("no Python of %s here" % ", ".join(pythons.BUILDS))
        return SKIPPED
    command = [options.program, "--seconds", str(options.seconds / len(found)), "--seed", str(seed)]
    return max([subprocess.call(command + [python, os.path.join(HERE, "heap_of_everything.py")]) != 0
                for python in found])


if __name__ == "__main__":
    sys.exit(main())
