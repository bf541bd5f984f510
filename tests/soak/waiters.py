"""Threads that wait in every usual way and count the calls that fail with EINTR.

The calls are made by way of ctypes: Python itself repeats a call that was interrupted (PEP 475) and nobody would see it.
A waiter ends its wait at most INTERVAL later, so that it is within its call nearly all the time."""
import ctypes
import errno
import os
import select
import socket
import struct
import threading
import time

INTERVAL = 0.05
# A stop by ptrace ends these with EINTR whoever makes it, when they have a time limit: man 7 signal.
MAY_BE_INTERRUPTED = {"epoll_wait with a limit", "recv with SO_RCVTIMEO"}

libc = ctypes.CDLL(None, use_errno=True)
_calls, _failures = {}, {}


class Timespec(ctypes.Structure):
    _fields_ = [("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long)]


def _interval():
    return ctypes.byref(Timespec(0, int(INTERVAL * 1e9)))


def _deadline():
    end = time.time() + INTERVAL
    return ctypes.byref(Timespec(int(end), int(end % 1 * 1e9)))


def _fed_pipe():
    """The end to read from; a byte comes every INTERVAL."""
    reader, writer = os.pipe()
    _feed(lambda: os.write(writer, b"."))
    return reader


def _fed_socket():
    reader, writer = socket.socketpair()
    _feed(lambda: writer.send(b"."))
    return reader


def _feed(send):
    def feed():
        while True:
            time.sleep(INTERVAL)
            send()
    _thread(feed)


def _thread(work):
    threading.Thread(target=work, daemon=True).start()


def _poll_structure(descriptor):
    return struct.pack("ihh", descriptor, select.POLLIN, 0)


def _kinds():
    """name -> a function without arguments that waits once by a call of the C library and gives its result."""
    byte = ctypes.create_string_buffer(16)
    pipe, stream, silent = _fed_pipe(), _fed_socket(), os.pipe()[0]
    limited, _keep = socket.socketpair()
    limited.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 0, int(INTERVAL * 1e6)))
    fed = ctypes.create_string_buffer(_poll_structure(_fed_pipe()))
    quiet = ctypes.create_string_buffer(_poll_structure(silent))
    events = ctypes.create_string_buffer(64)
    endless, bounded = select.epoll(), select.epoll()
    endless_pipe = _fed_pipe()
    endless.register(endless_pipe, select.EPOLLIN)
    bounded.register(silent, select.EPOLLIN)
    semaphore = ctypes.create_string_buffer(64)
    libc.sem_init(semaphore, 0, 0)
    clock_realtime = 0

    def epoll_endless():
        result = libc.epoll_wait(endless.fileno(), events, 1, -1)
        if result > 0:
            os.read(endless_pipe, 16)
        return result

    def keep_alive(function):
        return lambda: function((limited, _keep, stream, bounded))

    return {
        "nanosleep": lambda: libc.nanosleep(_interval(), None),
        "clock_nanosleep": lambda: libc.clock_nanosleep(clock_realtime, 0, _interval(), None),
        "poll": lambda: libc.poll(quiet, 1, int(INTERVAL * 1000)),
        "poll without a limit": lambda: libc.poll(fed, 1, -1) and os.read(struct.unpack("i", fed.raw[:4])[0], 1) and 1,
        "ppoll": lambda: libc.ppoll(quiet, 1, _interval(), None),
        "pselect": lambda: libc.pselect(0, None, None, None, _interval(), None),
        "read": lambda: libc.read(pipe, byte, 1),
        "recv": keep_alive(lambda kept: libc.recv(stream.fileno(), byte, 1, 0)),
        "sem_timedwait": lambda: libc.sem_timedwait(semaphore, _deadline()),
        "epoll_wait": epoll_endless,
        "epoll_wait with a limit": lambda: libc.epoll_wait(bounded.fileno(), events, 1, int(INTERVAL * 1000)),
        "recv with SO_RCVTIMEO": keep_alive(lambda kept: libc.recv(limited.fileno(), byte, 1, 0)),
    }


def _wait_forever(kind, call):
    while True:
        ctypes.set_errno(0)
        result = call()
        _calls[kind] += 1
        if result == errno.EINTR or (result == -1 and ctypes.get_errno() == errno.EINTR):
            _failures[kind] += 1


def start():
    for kind, call in _kinds().items():
        _calls[kind] = _failures[kind] = 0
        _thread(lambda kind=kind, call=call: _wait_forever(kind, call))


def counts():
    return {kind: [_calls[kind], _failures[kind]] for kind in _calls}
