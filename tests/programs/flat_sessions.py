# expect: verdict=no-leak
"""Sessions that end after a while: as many leave as come."""
import collections

from _service import serve

sessions = collections.OrderedDict()


class Session:
    def __init__(self, number):
        self.number = number
        self.cart = [(number, item) for item in range(10)]


def step(number):
    sessions[number] = Session(number)
    if len(sessions) > 800:
        sessions.popitem(last=False)


serve(step, warm=1000)
