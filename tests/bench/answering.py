"""What the programs under measurement answer, one question a line on standard input:

    mark           forget the longest gap                          -> ok
    gap            longest time in ms for which nothing ran        -> 0.41
    census NAME    let a library count the objects, from inside    -> seconds it took

The gap is seen by a thread that wakes every 0.2 ms. It starts with the first `mark`.
"""

import sys
import threading
import time

TICK = 0.0002


class Ticker(threading.Thread):
    def __init__(self):
        super().__init__(daemon=True)
        self.longest = 0.0

    def run(self):
        last = time.perf_counter()
        while True:
            time.sleep(TICK)
            now = time.perf_counter()
            self.longest = max(self.longest, now - last)
            last = now


def census_guppy3():
    from guppy import hpy

    str(hpy().heap())


def census_pympler():
    from pympler import muppy, summary

    "\n".join(summary.format_(summary.summarize(muppy.get_objects())))


def census_objgraph():
    import objgraph

    objgraph.most_common_types()
    objgraph.growth()


def census(name):
    begin = time.perf_counter()
    globals()["census_" + name]()
    return time.perf_counter() - begin


def serve():
    ticker = None
    for line in sys.stdin:
        word, _, rest = line.strip().partition(" ")
        if word == "mark":
            if not ticker:
                ticker = Ticker()
                ticker.start()
            ticker.longest = 0.0
            print("ok", flush=True)
        elif word == "gap":
            print(ticker.longest * 1000, flush=True)
        elif word == "census":
            print(census(rest), flush=True)
