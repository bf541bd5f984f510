# expect: verdict=leak kind=refcount-leak path=
"""C code takes a reference to each label and never gives it back: short ones lie in pymalloc's blocks, long ones in malloc's."""
import ctypes

from _service import serve

take = ctypes.pythonapi.Py_IncRef
take.argtypes, take.restype = [ctypes.py_object], None


def step(number):
    for part in range(4):
        label = b"%08d" % (number * 4 + part) * 20
        take(label)
    if number % 4 == 0:
        take(b"%012d" % number * 100)


serve(step)
