# expect: verdict=no-leak
"""The last thousand requests, in a deque that forgets the rest."""
import collections

from _service import serve

recent = collections.deque(maxlen=1000)


def step(number):
    recent.append({"number": number, "path": "/items/%d" % number, "body": bytes(200)})


serve(step, warm=1200)
