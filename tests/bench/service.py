"""A service that leaks: it handles requests in a loop as fast as it can and keeps a session of each for ever.

    service.py COUNTER_FILE [--sessions 100000]

The number of requests handled so far stands in the first 8 bytes of COUNTER_FILE.
"""

import argparse
import json
import mmap
import struct


class Session:
    def __init__(self, number):
        self.number = number
        self.cart = [{"item": number % 97, "amount": 1}]


STORE = {}


def handle(number):
    request = json.dumps({"user": number, "items": list(range(40)), "name": "visitor %d" % number})
    items = json.loads(request)["items"]
    if number % 10 == 0:
        STORE["session-%d" % number] = Session(number)
    return sum(item * item for item in items)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("counter")
    parser.add_argument("--sessions", type=int, default=100_000)
    options = parser.parse_args()
    for number in range(options.sessions):
        STORE["old-%d" % number] = Session(number)
    with open(options.counter, "r+b") as file:
        counter = mmap.mmap(file.fileno(), 8)
    print("ready", flush=True)
    number = 0
    while True:
        handle(number)
        number += 1
        struct.pack_into("q", counter, 0, number)


if __name__ == "__main__":
    main()
