"""Runs inside the Python under test: what the sampler reads of frames, against what Python says. One JSON line."""
import ctypes
import dis
import gc
import json
import sys
import threading

# ctypes releases the GIL around a call, PyDLL does not: the sampler's hooks are called with it.
probe = ctypes.PyDLL(sys.argv[1])
probe.probe_calls.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]
probe.probe_position.argtypes = [ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p]
probe.probe_position.restype = None
assert probe.probe_begin()


def lines_by_python(code):
    """Byte offset -> line, as Python has it; None: no line."""
    lines = {}
    if hasattr(code, "co_lines"):
        for begin, end, line in code.co_lines():
            lines.update((offset, line) for offset in range(begin, end, 2))
        return lines
    line, starts = code.co_firstlineno, dict(dis.findlinestarts(code))
    for offset in range(0, len(code.co_code), 2):
        line = starts.get(offset, line)
        lines[offset] = line
    return lines


UNKNOWN = (None, None, None)
FOUND = (ctypes.c_int32 * 4)()


def positions_by_python(code):
    """Byte offset -> (end line, column, end column), as Python has them."""
    if hasattr(code, "co_positions"):
        return {2 * i: position[1:] for i, position in enumerate(code.co_positions())}
    return {}


def position_found(code, offset):
    """(line, end line, column, end column); what is not known is None."""
    probe.probe_position(id(code), offset, FOUND)
    line, end_line, column, end_column = FOUND
    return line, end_line or None, None if column < 0 else column, None if end_column < 0 else end_column


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
    asked, columns, many_lines, wrong = 0, 0, 0, []
    for code in all_codes() + shape_codes():
        positions = positions_by_python(code)
        for offset, line in lines_by_python(code).items():
            asked += 1
            found, right = position_found(code, offset), (line, *positions.get(offset, UNKNOWN))
            if not line:  # none, or 0: that of a module's first instruction
                right = code.co_firstlineno, *UNKNOWN
            columns += right[2] is not None
            many_lines += right[1] is not None and right[1] > right[0]
            if found != right:
                wrong.append([code.co_filename, code.co_name, offset, found, right])
    return {"asked": asked, "columns": columns, "many_lines": many_lines, "wrong": wrong[:5], "wrong_count": len(wrong)}


# Every kind of entry that Objects/locations.md has: short and long columns, lines ahead and back, no line at all.
SHAPES = """
def called(first, *more, **named): return [first,
    more]
@called  # a decorator
@called(1,
        2)
def decorated(x={}): yield from (
    lambda: [x
             for x in range(3)])()
class Made(object, metaclass=type): field: int = called(1); other = [called(
    n) for n in range(3) if n
    and n < 2]
%s = 1; value = called(1)
ends = called(%s, long_name_of_an_argument_that_ends_beyond_a_short_entry=called(called), again=called(1), more=called(2))
text = f"{called(1)} é {called(2)!r:>{called(3)}}" if called else {called(1): [called(2)], **{"a": called(3)}}
é = [called("é"), called("名")]

async def coroutine():
    async with called() as a, called() as b: return await called(a,

        b) + [x async for x in b]
try: called(1)
except (ValueError,
        TypeError) as error: raise called(error) from None
finally: del text
while called(1) < called(2) <= called(3) and not called: (y := called(4)); break
assert called(1), called(
    2)
""" % ("a" * 200, "b" * 90)


def shape_codes():
    """The functions of SHAPES, and of the same text far to the right and many lines down."""
    codes = [compile(SHAPES, "shapes.py", "exec"),
             compile("if 1:" + SHAPES.replace("\n", "\n" + " " * 70), "right.py", "exec"),
             compile("x = [\n" + "0,\n" * 3000 + "]\n" + SHAPES, "down.py", "exec")]
    for code in codes:
        codes.extend(constant for constant in code.co_consts if type(constant) is type(code))
    return codes


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
    file, function, position = ctypes.create_string_buffer(2048), ctypes.create_string_buffer(2048), (ctypes.c_int32 * 4)()
    parent = probe.probe_frame(ctypes.c_uint32(node), file, function, position)
    return parent, file.value.decode(), function.value.decode(), *position


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
    before = probe.probe_used(3)
    for number in range(2000):  # code compiled again and again takes no new room
        namespace = {}
        exec(compile("def made(probe):\n    return probe.probe_stack()\n", "made.py", "exec"), namespace)
        namespace["made"](probe)
    grown, many = probe.probe_used(3) - before, []
    for number in range(20):  # and other code of one name and line not for ever
        exec(compile("if 1:" + " " * number + "many.append(probe.probe_stack())", "<string>", "exec"),
             {"probe": probe, "many": many})
    return {"same": len(set(same)), "other": other not in same, "words": stack_words(Ünïcode名().méthode()), "grown": grown,
            "variants": len(set(many))}


def lambdas():
    """What the recording has of two lambdas of one line, and what Python has; a call is the last line that runs."""
    both = lambda: probe.probe_stack(), lambda: probe.probe_stack()  # noqa: E731
    found = [stack_words(each())[0][2:] for each in both]
    return found, [call_position(each.__code__) for each in both]


def call_position(code):
    """[line, end line, column, end column] of the only call, as the recording has what is not known."""
    offset = next(step.offset for step in dis.get_instructions(code) if step.opname.startswith("CALL"))
    end_line, column, end_column = positions_by_python(code).get(offset, UNKNOWN)
    return [code.co_firstlineno, end_line or 0, -1 if column is None else column, -1 if end_column is None else end_column]


def main():
    in_thread = []
    thread = threading.Thread(target=Worker().run, args=(in_thread,))
    thread.start()
    thread.join()
    print(json.dumps({
        "lines": compare_lines(), "here": calls_here(), "deep": deep(100), "deeper": deep(400), "generator": next(generator()),
        "coroutine": run_coroutine(), "thread": in_thread, "stacks": stacks(), "lambdas": lambdas(),
        "file": __file__, "line_of_méthode": Ünïcode名.méthode.__code__.co_firstlineno + 1,
    }))


main()
