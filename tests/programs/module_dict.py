# expect: verdict=leak kind=growing-container path=__main__,INVOICES
"""Invoices by number, kept after they were sent."""
from _service import serve

INVOICES = {}


class Stamp:
    """Without an attribute: the table of its values is as small as can be."""


class Invoice:
    def __init__(self, number):
        self.number = number
        self.lines = ["line %d of %d" % (line, number) for line in range(6)]
        self.stamps = [Stamp() for _ in range(40)]


def step(number):
    invoice = Invoice(number)
    INVOICES[invoice.number] = invoice


serve(step)
