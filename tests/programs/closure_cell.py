# expect: verdict=leak kind=growing-container,captured-closure path=__main__,track
"""A list that only a closure can see."""
from _service import serve


def make_tracker():
    positions = []

    def track(x, y):
        positions.append({"x": x, "y": y, "label": "%d/%d" % (x, y)})
        return positions[-1]

    return track


track = make_tracker()


def step(number):
    track(number, number * 2)
    track(number, number * 3)


serve(step)
