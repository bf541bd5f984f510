"""The programs that samplers are measured on: sampler_programs.py churn|call|json|wide [scale].

Prints its own seconds by the clock and of the processor, and kilobytes of its greatest RSS.
"""
import sys
import time


class Record:
    __slots__ = ("number", "pair")

    def __init__(self, number, pair):
        self.number = number
        self.pair = pair


def handle(number, kept):
    record = Record(number, (number, number + 1))
    if number % 50 == 0:
        kept.append(record)


def churn(scale):
    """Small objects, one in fifty is kept."""
    kept = []
    for number in range(int(1_300_000 * scale)):
        handle(number, kept)
    return kept


def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


def call(scale):
    """Calls and hardly an allocation."""
    return [fib(30) for _ in range(max(1, int(2 * scale)))]


def json(scale):
    """The standard library at work on text."""
    import ast
    import csv
    import io
    import json as text
    import re
    rows = [{"id": i, "name": "n%d" % i, "values": [i * 1.5, i, None, True], "tags": {"a": "x" * (i % 20)}} for i in range(300)]
    for _ in range(int(150 * scale)):
        line = text.dumps(rows)
        back = text.loads(line)
        stream = io.StringIO()
        csv.writer(stream).writerows([[row["id"], row["name"]] for row in back])
        list(csv.reader(io.StringIO(stream.getvalue())))
        re.findall(r"\w+", line[:20000])
        ast.parse("x = 1 + 2\ny = [a for a in b if a]\n" * 30)


def wide(scale):
    """Large blocks that come and go."""
    kept = []
    for i in range(int(3000 * scale)):
        block = bytearray(100_000 + i % 7 * 150_000)
        if i % 100 == 0:
            kept.append(block)
    return kept


def greatest_rss():
    """Kilobytes since this program began; getrusage would say what its parent had before."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))


if __name__ == "__main__":
    scale = float(sys.argv[2]) if len(sys.argv) > 2 else 1.0
    begin = time.perf_counter(), time.process_time()
    kept = {"churn": churn, "call": call, "json": json, "wide": wide}[sys.argv[1]](scale)
    took = time.perf_counter() - begin[0], time.process_time() - begin[1]
    print("seconds %.6f %.6f kilobytes %d" % (*took, greatest_rss()))
