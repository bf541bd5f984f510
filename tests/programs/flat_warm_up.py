# expect: verdict=no-leak
"""A table of all towns: each is looked up once, then it is known."""
from _service import serve

towns = {}


def lookup(number):
    if number not in towns:
        towns[number] = {"name": "town %d" % number, "streets": ["street %d" % street for street in range(10)]}
    return towns[number]


def step(number):
    for part in range(4):
        lookup((number * 4 + part) % 3000)


serve(step, warm=50)
