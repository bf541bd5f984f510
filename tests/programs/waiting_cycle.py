# expect: verdict=leak kind=waiting-cycle path=
"""Parents and children in cycles, and nobody who collects them."""
import gc

from _service import serve


class Branch:
    def __init__(self, parent, depth):
        self.parent = parent
        self.children = [Branch(self, depth - 1) for _ in range(2)] if depth else []
        self.note = "branch at %d" % depth


def step(number):
    Branch(None, 3)


gc.disable()
serve(step)
