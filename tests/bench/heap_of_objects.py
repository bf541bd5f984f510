"""Stands still with a heap of N collected objects, fresh or aged, for the benchmarks.

    heap_of_objects.py [--objects 2000000] [--aged]

Half of the objects are instances with two attributes, the rest lists, dicts and tuples; strings and numbers
come on top. An aged heap was shuffled and half of it replaced several times, so that addresses and order of
creation have nothing to do with each other.
"""

import argparse
import gc
import random

import answering


class Order:
    def __init__(self, number):
        self.number = number
        self.lines = [number, str(number)]


def make(number):
    kind = number % 4
    if kind < 2:
        return Order(number)
    if kind == 2:
        return {"id": number, "tags": (str(number),)}
    return [number, (number, str(number))]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--objects", type=int, default=2_000_000)
    parser.add_argument("--aged", action="store_true")
    options = parser.parse_args()
    gc.disable()
    count = options.objects // 2
    heap = [make(number) for number in range(count)]
    if options.aged:
        dice = random.Random(1)
        for _ in range(3):
            dice.shuffle(heap)
            for position in range(0, count, 2):
                heap[position] = make(dice.randrange(count * 100))
        dice.shuffle(heap)
    print("ready", len(gc.get_objects()), flush=True)
    answering.serve()


if __name__ == "__main__":
    main()
