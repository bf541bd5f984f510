# expect: verdict=no-leak
"""A cache with a bound that is always full, and Python's own of the names that types were asked for."""
import functools

from _service import serve


@functools.lru_cache(maxsize=2000)
def render(number):
    return "invoice %d " % number * 20


def step(number):
    for part in range(4):
        render(number * 4 + part)
    getattr(render, "page_%d" % number, None)


serve(step, warm=600)
