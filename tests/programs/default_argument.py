# expect: verdict=leak kind=growing-container path=__main__,collect
"""The list in the default of an argument is the same in each call."""
from _service import serve


def collect(row, rows=[]):
    rows.append([row, "row %d" % row, {"row": row}])
    return rows


def step(number):
    return len(collect(number))


serve(step)
