"""One process of suite.py: a script of pyperformance whose clock is the processor time of the process.

suite_process.py SCRIPT [arguments of the script]. pyperf asks time.perf_counter, on a machine with neighbours a poor judge.
"""
import os
import runpy
import sys
import time

if __name__ == "__main__":
    time.perf_counter = time.process_time
    del sys.argv[0]
    sys.path[0] = os.path.dirname(os.path.abspath(sys.argv[0]))
    runpy.run_path(sys.argv[0], run_name="__main__")
