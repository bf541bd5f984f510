# expect: verdict=leak kind=pinned-frame,growing-container path=__main__,cursors
"""Cursors are opened, read once and never read to their end."""
from _service import serve

cursors = {}


def rows(table):
    page = ["%s row %d" % (table, row) for row in range(20)]
    yield from page


def step(number):
    cursor = rows("table %d" % number)
    next(cursor)
    cursors[number] = cursor


serve(step)
