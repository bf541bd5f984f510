# expect: verdict=leak kind=growing-container,thread-retention path=local,seen
"""A set in a local variable of a running thread."""
import threading
import time

from _service import serve


def watch():
    seen = set()
    number = 0
    while True:
        seen.add(("event", number, "from host %d" % (number % 7)))
        number += 1
        time.sleep(0.001)


threading.Thread(target=watch, name="watcher", daemon=True).start()
serve(lambda number: None, pause=0.02)
