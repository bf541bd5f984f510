"""A threaded HTTP server with a middling heap. Prints "ready PID PORT".

    GET /work/N         answers N after a little work
    GET /status         descriptors, threads, mappings and children as the process itself sees them
    GET /interrupted    per kind of blocking call how many were made and how many failed with EINTR
"""
import http.server
import json
import os
import sys
import threading

import waiters

HEAP = [{"number": number, "name": "entry %d" % number, "tags": [number, number + 1]} for number in range(60000)]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self):
        answers = {"/status": status, "/interrupted": waiters.counts}
        body = json.dumps(answers[self.path]() if self.path in answers else work(self.path)).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


def work(path):
    number = int(path.rpartition("/")[2])
    found = [entry for entry in HEAP[number % 50000:number % 50000 + 50]]
    return {"number": number, "found": len(found)}


def status():
    with open("/proc/self/maps") as maps:
        mappings = len(maps.readlines())
    try:
        children = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        children = None
    return {"descriptors": len(os.listdir("/proc/self/fd")), "threads": len(os.listdir("/proc/self/task")),
            "mappings": mappings, "waitable": children, "waiters": len(waiters.counts())}


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64


waiters.start()
server = Server(("127.0.0.1", 0), Handler)
print("ready", os.getpid(), server.server_address[1], flush=True)
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
server.serve_forever()
