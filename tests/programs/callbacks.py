# expect: verdict=leak kind=registered-callback,growing-container path=__main__,bus
"""Each view listens to the bus for ever."""
from _service import serve


class Bus:
    def __init__(self):
        self.listeners = {}

    def listen(self, topic, callback):
        self.listeners.setdefault(topic, []).append(callback)


class View:
    def __init__(self, bus, number):
        self.cells = [number * column for column in range(1000, 1060)]
        bus.listen("refresh", self.refresh)

    def refresh(self, event):
        return event, self.cells


bus = Bus()


def step(number):
    View(bus, number)


serve(step)
