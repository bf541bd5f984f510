"""Leaks objects whose blocks come from free lists, beside a function that makes only garbage of the same kinds:
births_program.py KIND COUNT. Prints what the leaked objects have of memory, in bytes."""
import os
import sys

KIND, COUNT = sys.argv[1], int(sys.argv[2])
STORE = [None] * COUNT


def handle(i):
    numbers = [float(i + j) for j in range(7)]
    pairs = [(i, None), (None, i), (i, i)]
    return sum(numbers), pairs, [i], {"a": i, "b": {"c": numbers}}, [[pairs], []]


def remember(i):
    if KIND == "float":
        STORE[i] = float(i)
    elif KIND == "tuple":
        STORE[i] = (KIND, STORE, i & 1)
    elif KIND == "list":
        STORE[i] = [KIND]
    elif KIND == "dict":
        STORE[i] = {"k": KIND}
    else:
        STORE[i] = (float(i), [KIND], {"k": KIND})


for i in range(COUNT):
    handle(i)
    remember(i)
parts = [part for kept in STORE for part in (kept if KIND == "all" else ())]
print(sum(map(sys.getsizeof, STORE + parts)), flush=True)
os._exit(0)
