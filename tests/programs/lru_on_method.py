# expect: verdict=leak kind=unbounded-cache path=__main__,Basket,total
"""functools.cache on a method: each basket is a key, so none is ever freed."""
import functools

from _service import serve


class Basket:
    def __init__(self, number):
        self.items = [(number, item, "item %d" % item) for item in range(8)]

    @functools.cache
    def total(self):
        return sum(item[1] for item in self.items)


def step(number):
    Basket(number).total()


serve(step)
