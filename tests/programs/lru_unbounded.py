# expect: verdict=leak kind=unbounded-cache path=__main__,render
"""A cache without a bound, asked for something new each time."""
import functools

from _service import serve


@functools.lru_cache(maxsize=None)
def render(number, language):
    return "invoice %d in %s " % (number, language) * 20


def step(number):
    for language in ("de", "en"):
        render(number, language)


serve(step)
