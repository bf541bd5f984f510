"""A program whose every allocation is known by its line: what ends, what stays, what is born again from a free list."""
import json
import os
import sys


class Item:
    def __init__(self, number):
        self.number = number
        self.pair = [number, number]


KEPT = []


def fill(count):
    for i in range(count):
        KEPT.append(Item(i + 1000))
        garbage = [1.5 * j for j in range(3)]
        pair = (i, i)
        names = {"a": i}
    return garbage, pair, names


def reborn(count):
    handled = [float(i) for i in range(count)]
    del handled
    KEPT.append([float(i) + 0.5 for i in range(count)])
    KEPT.append([(i, i) for i in range(count)])
    KEPT.append([{i: i} for i in range(count)])


def strings(count):
    text = b""
    for i in range(count):
        text += b"abcdefgh"
        KEPT.append("name %d" % i)
    KEPT.append(text)


def traced():
    """Bytes and blocks by line of this file, as tracemalloc has them."""
    import tracemalloc
    lines = {}
    for found in tracemalloc.take_snapshot().statistics("lineno"):
        place = found.traceback[0]
        if place.filename == __file__:
            lines[place.lineno] = (found.size, found.count)
    return lines


fill(1000)
# What is on the free list of dicts' tables: tracemalloc books those where they were made first.
KEPT.append(eval("[{i: i} for i in range(100)]"))
reborn(300)
strings(500)
if "traced" in sys.argv:
    print(json.dumps(traced()))
sys.stdout.flush()
os._exit(0)
