"""A bounded client: so many connections to the loopback, so many requests a second, every answer counted."""
import http.client
import threading
import time


class Load:
    """Use as a context manager; `paths(number)` is the path (and method) of the n-th request of one connection."""

    def __init__(self, port, paths, connections=3, pause=0.004, method="GET"):
        self.port, self.paths, self.pause, self.method = port, paths, pause, method
        self.statuses, self.failures, self.slowest = {}, [], 0.0
        self._stop, self._lock = threading.Event(), threading.Lock()
        self._threads = [threading.Thread(target=self._work, args=(n,), daemon=True) for n in range(connections)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exception):
        self._stop.set()
        for thread in self._threads:
            thread.join(30)

    @property
    def answered(self):
        with self._lock:
            return sum(self.statuses.values())

    def _work(self, worker):
        connection, number = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20), worker * 1_000_000
        while not self._stop.is_set():
            begin = time.monotonic()
            try:
                connection.request(self.method, self.paths(number))
                response = connection.getresponse()
                response.read()
                self._count(response.status, time.monotonic() - begin)
            except (OSError, http.client.HTTPException) as error:
                if self._stop.is_set():
                    break
                with self._lock:
                    self.failures.append("%s: %r" % (self.paths(number), error))
                connection.close()
            number += 1
            self._stop.wait(self.pause)
        connection.close()

    def _count(self, status, seconds):
        with self._lock:
            self.statuses[status] = self.statuses.get(status, 0) + 1
            self.slowest = max(self.slowest, seconds)


def free_port():
    import socket
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def get_json(port, path, timeout=20):
    import json
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request("GET", path)
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()
