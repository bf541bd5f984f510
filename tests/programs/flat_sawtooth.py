# expect: verdict=no-leak
"""Cycles that the collector clears away in its own time."""
from _service import serve


class Node:
    def __init__(self, number):
        self.itself = self
        self.payload = ["%d %d" % (number, part) for part in range(10)]


def step(number):
    for part in range(5):
        Node(number + part)


serve(step, warm=600)
