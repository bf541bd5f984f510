# expect: verdict=leak kind=growing-container path=__main__,plant,line,station,journal
"""A journal four objects below the module."""
from _service import serve


class Station:
    def __init__(self):
        self.journal = []
        self.done = 0

    def work(self, part):
        self.journal.append((part, "torque %.3f" % (part * 0.37), bytes(300)))
        self.done += 1


class Line:
    def __init__(self):
        self.station = Station()


class Plant:
    def __init__(self):
        self.line = Line()


plant = Plant()


def step(number):
    plant.line.station.work(number)


serve(step)
