# expect: verdict=leak kind=pinned-frame,growing-container path=__main__,failures
"""Failures are kept with their tracebacks, and those keep the locals of each frame."""
from _service import serve

failures = []


def parse(document):
    fields = document.split(",")
    copies = [field * 20 for field in fields]
    return int(fields[-1]) + len(copies)


def step(number):
    document = "order,%d,none" % number
    try:
        parse(document)
    except ValueError as error:
        failures.append(error)


serve(step)
