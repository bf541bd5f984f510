# expect: verdict=leak kind=unconsumed-queue,growing-container path=__main__,outbox
"""A queue with one producer and a consumer that is too slow."""
import queue
import threading
import time

from _service import serve

outbox = queue.Queue()


def deliver():
    while True:
        outbox.get()
        time.sleep(0.5)


threading.Thread(target=deliver, name="delivery", daemon=True).start()


def step(number):
    outbox.put({"to": "customer %d" % number, "text": "your parcel %d is on its way" % number})


serve(step)
