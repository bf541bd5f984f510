"""Runs inside the Python under test: the sampler's native chains and unwind rules, as one JSON line.

Words: the probe, then "chains", or "rules" with a library and its rows as readelf tells them in a file."""
import ctypes
import json
import sys
import threading

probe = ctypes.PyDLL(sys.argv[1])
SAME = -2 ** 31
NONE, FOUND, OUTERMOST = range(3)
OTHER, STACK, FRAME, CFA = range(4)
BASES = {"rsp": STACK, "rbp": FRAME}


def chain_here():
    """What lies above this call, as the sampler and as the C library have it: equal if all is well."""
    ours, theirs, count = (ctypes.c_uint64 * 256)(), (ctypes.c_uint64 * 256)(), ctypes.c_size_t()
    found = probe.probe_chains(ours, theirs, ctypes.byref(count), ctypes.c_size_t(256))
    ours, theirs = list(ours[:found]), list(theirs[:count.value])
    while theirs and theirs[0] != ours[0]:  # the probe's own
        theirs.pop(0)
    return {"depth": len(ours), "same": ours == theirs[:len(ours)], "left": len(theirs) - len(ours)}


def deep(levels):
    return chain_here() if levels == 0 else list(map(deep, [levels - 1]))[0]


def in_thread(out):
    out.append(deep(3))


def chains():
    found = {"here": chain_here(), "deep": deep(8), "sorted": []}
    sorted([2, 1], key=lambda number: found["sorted"].append(chain_here()) or number)
    compare = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
    found["qsort"] = []
    library = ctypes.CDLL(None)
    library.qsort((ctypes.c_int * 2)(2, 1), 2, 4, compare(lambda a, b: found["qsort"].append(chain_here()) or 0))
    out = []
    thread = threading.Thread(target=in_thread, args=(out,))
    thread.start()
    thread.join()
    return dict(found, thread=out)


def expected_cfa(cfa):
    for name, base in BASES.items():
        if cfa.startswith(name + "+"):
            return base, int(cfa[len(name) + 1:])
    return None


def is_right(row, rule):
    """Whether the rule is what the row says; None if we do not claim to know."""
    kind, base, offset, stored, frame_base, frame, returns = rule
    if row["ra"] == "u":
        return kind == OUTERMOST
    cfa = expected_cfa(row["cfa"])
    if not cfa or not row["ra"].startswith("c") or row["rbp"] in ("exp", "vexp"):
        return None
    saved = row["rbp"]
    wanted = int(saved[1:]) if saved.startswith("c") else SAME
    return kind == FOUND and (base, offset) == cfa and not stored and returns == int(row["ra"][1:]) and frame == wanted


def rules(library, rows):
    ctypes.CDLL(library)
    with open("/proc/self/maps") as stream:
        begin = min(int(line.split("-")[0], 16) for line in stream if line.rstrip().endswith(library))
    answer, wrong, unknown, right = (ctypes.c_int32 * 7)(), [], 0, 0
    with open(rows) as stream:
        for row in json.load(stream):
            if probe.probe_rule(ctypes.c_void_p(begin + row["at"]), answer):
                wrong.append([row, "no code there"])
                continue
            verdict = is_right(row, list(answer))
            unknown += verdict is None
            right += verdict is True
            if verdict is False:
                wrong.append([row, list(answer)])
    return {"right": right, "unknown": unknown, "wrong": wrong[:5], "wrong_count": len(wrong)}


assert probe.probe_begin()
print(json.dumps(chains() if sys.argv[2] == "chains" else rules(*sys.argv[3:5])))
