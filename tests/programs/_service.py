"""What every program here does around its own work: warm up, say so, then step at a steady pace until told to end."""
import gc
import os
import select
import sys
import time


def serve(step, pause=0.002, warm=50, seconds=90.0):
    """Calls step(number) with a pause between; ends when standard input is closed or after `seconds`."""
    number = 0
    while number < warm:
        step(number)
        number += 1
    gc.collect()
    print("ready", os.getpid(), flush=True)
    end = time.monotonic() + seconds
    while time.monotonic() < end and not select.select([sys.stdin], [], [], pause)[0]:
        step(number)
        number += 1
    os._exit(0)
