# expect: verdict=leak kind=growing-container path=__main__,Meter,readings
"""Every meter appends to the list of its class."""
from _service import serve


class Meter:
    readings = []

    def __init__(self, place):
        self.place = place

    def read(self, value):
        self.readings.append({"place": self.place, "value": value, "unit": "kWh %d" % value})


meters = [Meter(place) for place in ("cellar", "roof", "garage")]


def step(number):
    for meter in meters:
        meter.read(number)


serve(step)
