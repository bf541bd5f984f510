"""Runs inside the Python under test: what the sampler reads of frames, against what Python says. One JSON line."""
import ctypes
import gc
import json
import sys
import threading

# ctypes releases the GIL around a call, PyDLL does not: the sampler's hooks are called with it.
probe = ctypes.PyDLL(sys.argv[1])
probe.probe_calls.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]
probe.probe_line.argtypes = [ctypes.c_void_p, ctypes.c_int64]
probe.probe_line.restype = ctypes.c_uint32
assert probe.probe_begin()


def lines_by_python(code):
    """Byte offset -> line, as Python has it; None: no line."""
    lines = {}
    if hasattr(code, "co_lines"):
        for begin, end, line in code.co_lines():
            lines.update((offset, line) for offset in range(begin, end, 2))
        return lines
    import dis
    line, starts = code.co_firstlineno, dict(dis.findlinestarts(code))
    for offset in range(0, len(code.co_code), 2):
        line = starts.get(offset, line)
        lines[offset] = line
    return lines


def all_codes():
    import argparse, asyncio, email.message, http.client, json.decoder, logging, tarfile, typing, unittest  # noqa: F401,E401
    codes = {id(function.__code__): function.__code__ for function in gc.get_objects() if type(function) is type(all_codes)}
    todo = list(codes.values())
    while todo:
        for constant in todo.pop().co_consts:
            if type(constant) is type(all_codes.__code__) and id(constant) not in codes:
                codes[id(constant)] = constant
                todo.append(constant)
    return list(codes.values())


def compare_lines():
    asked, wrong = 0, []
    for code in all_codes():
        for offset, line in lines_by_python(code).items():
            asked += 1
            found = probe.probe_line(id(code), offset)
            if found != (line or code.co_firstlineno):
                wrong.append([code.co_filename, code.co_name, offset, found, line])
    return {"asked": asked, "wrong": wrong[:5], "wrong_count": len(wrong)}


def calls_here():
    """(code id, offset, line) by the sampler and by Python, innermost first, of one and the same line."""
    codes, offsets, lines = (ctypes.c_uint64 * 256)(), (ctypes.c_int64 * 256)(), (ctypes.c_uint32 * 256)()
    mine, frame = [], sys._getframe()
    count = probe.probe_calls(codes, offsets, lines, 256)
    while frame:
        mine.append((id(frame.f_code), frame.f_lasti, frame.f_lineno))
        frame = frame.f_back
    theirs = list(zip(codes[:count], offsets[:count], lines[:count]))
    return theirs[1:] == mine[1:count] and theirs[0][0] == mine[0][0] and count == min(len(mine), 256)


def deep(levels):
    return calls_here() if levels == 0 else deep(levels - 1)


class Worker:
    def run(self, out):
        out.append([call() for call in (calls_here, lambda: deep(30), lambda: next(generator()), lambda: deep(400))])


def generator():
    yield calls_here()


async def coroutine(levels):
    return calls_here() if levels == 0 else await coroutine(levels - 1)


def run_coroutine():
    try:
        coroutine(5).send(None)
    except StopIteration as result:
        return result.value


def frame_words(node):
    file, function, line = ctypes.create_string_buffer(2048), ctypes.create_string_buffer(2048), ctypes.c_uint32()
    parent = probe.probe_frame(ctypes.c_uint32(node), file, function, ctypes.byref(line))
    return parent, file.value.decode(), function.value.decode(), line.value


def stack_words(stack):
    words, node = [], stack
    while node & 0x7fffffff:
        parent, *rest = frame_words(node)
        words.append(rest)
        node = 0x80000000 | parent
    return words


class Ünïcode名:
    def méthode(self):
        return probe.probe_stack()


def stacks():
    same = [probe.probe_stack() for _ in range(3)]
    other = probe.probe_stack()
    before = probe.probe_used(2)
    for number in range(2000):  # code compiled again and again takes no new room
        namespace = {}
        exec(compile("def made(probe):\n    return probe.probe_stack()\n", "made.py", "exec"), namespace)
        namespace["made"](probe)
    return {"same": len(set(same)), "other": other not in same, "words": stack_words(Ünïcode名().méthode()),
            "grown": probe.probe_used(2) - before}


def main():
    in_thread = []
    thread = threading.Thread(target=Worker().run, args=(in_thread,))
    thread.start()
    thread.join()
    print(json.dumps({
        "lines": compare_lines(), "here": calls_here(), "deep": deep(100), "deeper": deep(400), "generator": next(generator()),
        "coroutine": run_coroutine(), "thread": in_thread, "stacks": stacks(),
        "file": __file__, "line_of_méthode": Ünïcode名.méthode.__code__.co_firstlineno + 1,
    }))


main()
