"""Compare the graph that caulk captured of a process with what the process says of itself."""
import collections
import struct
import subprocess

HEADER = struct.Struct("<QQIII")
COLLECTED, HEAP_TYPE, SPLIT, IS_TYPE = 1, 2, 4, 8                       # flags of a record, see heap_target.py
NODE_COLLECTED, NODE_PERMANENT, NODE_IMMORTAL, NODE_FAULT = 1, 2, 4, 8   # enum node_flags, src/graph/graph.h
EDGE_KINDS = ("slot type attribute namespace key key-object index cell local globals base module thread frame "
              "interpreter static immortal").split()        # enum edge_kind
ATOMS = {"builtins.str", "builtins.bytes", "builtins.int", "builtins.float", "builtins.bool", "builtins.code", "builtins.NoneType"}
GENERATORS = ("generator", "coroutine", "async_generator")
STATIC_COUNT = 900_000_000  # 3.11 gives objects that are part of the interpreter's data a count of about 10**9


class Record:
    __slots__ = ("size", "flags", "type", "targets")

    def __init__(self, size, flags, kind, targets):
        self.size, self.flags, self.type, self.targets = size, flags, kind, targets


def read_oracle(path):
    """{id: Record} of a file that heap_target.py wrote."""
    with open(path, "rb") as stream:
        data = stream.read()
    records, position, names = {}, 0, {}
    while position < len(data):
        assert data[position:position + 1] == b"O", "broken oracle at %d" % position
        address, size, count, flags, length = HEADER.unpack_from(data, position + 1)
        position += 1 + HEADER.size
        name = data[position:position + length].decode()
        position += length
        targets = struct.unpack_from("<%dQ" % count, data, position)
        position += 8 * count
        records[address] = Record(size, flags, names.setdefault(name, name), targets)
    return records


class Node:
    __slots__ = ("size", "refcount", "in_edges", "flags", "type", "edges")

    def __init__(self, size, refcount, in_edges, flags, kind):
        self.size, self.refcount, self.in_edges, self.flags, self.type = size, refcount, in_edges, flags, kind
        self.edges = {}  # target -> kind of the first edge to it


def read_graph(dump_graph, pid):
    """{address: Node} from the lines "N address size refcount in_edges flags type" and "E source target kind"."""
    done = subprocess.run([dump_graph, str(pid)], capture_output=True, text=True, errors="replace", timeout=300)
    if done.returncode:
        raise AssertionError("%s %d: status %d: %s" % (dump_graph, pid, done.returncode, done.stderr[-2000:]))
    nodes, names = {}, {}
    for line in done.stdout.splitlines():
        if line.startswith("N "):
            _, address, size, refcount, in_edges, flags, kind = line.split(" ", 6)
            if number(address) or not nodes:
                nodes[number(address)] = Node(int(size), int(refcount), int(in_edges), int(flags), names.setdefault(kind, kind))
    for line in done.stdout.splitlines():
        if line.startswith("E "):
            _, source, target, kind = line.split(" ")
            node = nodes.get(number(source))
            if node is not None:
                node.edges.setdefault(number(target), int(kind))
    return nodes


def number(word):
    return int(word, 0)


class Table:
    """Counts by key, the most frequent first."""

    def __init__(self, title, columns):
        self.title, self.columns, self.counts, self.examples = title, columns, collections.Counter(), {}

    def add(self, key, example=None):
        self.counts[key] += 1
        if example is not None:
            self.examples.setdefault(key, example)

    def total(self):
        return sum(self.counts.values())

    def __str__(self):
        lines = ["%s: %d" % (self.title, self.total())]
        if self.counts:
            lines.append("    %8s  %s" % ("count", self.columns))
        for key, count in self.counts.most_common(40):
            example = self.examples.get(key)
            words = key if isinstance(key, str) else "  ".join(str(word) for word in key)
            lines.append("    %8d  %s%s" % (count, words, "   e.g. %s" % example if example else ""))
        if len(self.counts) > 40:
            lines.append("    ... and %d rows more" % (len(self.counts) - 40))
        return "\n".join(lines)


class Report:
    """All comparisons of one heap; `figures` are shares from 0 to 1, `tables` say what is wrong."""

    def __init__(self, records, nodes):
        self.records, self.nodes, self.figures, self.tables = records, nodes, {}, []
        self.collected = {address for address, record in records.items() if record.flags & COLLECTED}
        self.compare_objects()
        self.compare_edges()
        self.compare_refcounts()
        self.compare_sizes()

    def table(self, title, columns):
        self.tables.append(Table(title, columns))
        return self.tables[-1]

    def type_of(self, address):
        record = self.records.get(address)
        if record:
            return record.type
        node = self.nodes.get(address)
        return node.type + "*" if node else "?"

    def compare_objects(self):
        """The objects that the collector lists, exactly."""
        ours = {address for address, node in self.nodes.items()
                if node.flags & NODE_COLLECTED and not node.flags & NODE_PERMANENT}
        self.figures["objects frozen"] = sum(node.flags & NODE_PERMANENT != 0 for node in self.nodes.values())
        missing, extra = self.table("collected objects missing", "type"), self.table("objects that gc does not list", "type")
        for address in self.collected - ours:
            missing.add(self.type_of(address), hex(address))
        for address in ours - self.collected:
            extra.add(self.type_of(address), hex(address))
        self.figures["objects in gc"] = len(self.collected)
        self.figures["objects in graph"] = len(ours)
        wrong = self.table("objects of another type", "gc says, graph says")
        for address in self.collected & ours:
            if self.records[address].type.rpartition(".")[2] != self.nodes[address].type.rpartition(".")[2]:
                wrong.add((self.records[address].type, self.nodes[address].type), hex(address))
        self.figures["wrong types"] = wrong.total() / max(1, len(ours))

    def compare_edges(self):
        """The references of collected objects, as sets of (source, target)."""
        missing = self.table("references missing", "source type -> target type")
        false = self.table("references that gc does not visit", "source type -> target type (kind)")
        excused = self.table("... of them, held by C code that tp_traverse skips with reason", "reason")
        expected = found = claimed = 0
        root = self.nodes.get(0)
        self.modules = {target for target, kind in root.edges.items() if kind == EDGE_KINDS.index("module")} if root else set()
        holders, owners = self.holders_of_namespaces(), self.owners_of_frames()
        for address, record in self.records.items():
            if not record.targets and address not in self.collected:
                continue
            node, targets = self.nodes.get(address), set(record.targets)
            if self.is_table_of_interned_strings(record, node):
                continue
            expected += len(targets)
            if node is None:
                continue
            ours = set(node.edges)
            if "lru_cache_wrapper" in record.type:
                ours |= self.through_links(node)
            if self.modules and self.modules <= targets:
                ours |= self.modules
            if address in owners:
                ours |= owners[address].edges.keys()
            if address in holders:
                ours |= {target for target, kind in holders[address].edges.items() if kind == EDGE_KINDS.index("attribute")}
            found += len(targets & ours)
            for target in targets - ours:
                missing.add("%s -> %s" % (record.type, self.type_of(target)), hex(address))
            for target, kind in node.edges.items():
                if target not in targets:
                    reason = self.excuse(record, target, kind)
                    if reason:
                        excused.add(reason, hex(address))
                        continue
                    false.add("%s -> %s (%s)" % (record.type, self.type_of(target), EDGE_KINDS[kind]), hex(address))
                claimed += 1
        self.figures["references in gc"] = expected
        self.figures["recall"] = found / max(1, expected)
        self.figures["precision"] = (claimed - false.total()) / max(1, claimed)

    def holders_of_namespaces(self):
        """{dict: its instance}, where attribute values lie in the instance: 3.14 visits them for the dict once there is one,
        for us they are the instance's."""
        return {target: self.nodes[address] for address in self.collected & self.nodes.keys()
                if self.records[address].flags & SPLIT
                for target, kind in self.nodes[address].edges.items() if kind == EDGE_KINDS.index("namespace")}

    def owners_of_frames(self):
        """{frame: the generator or coroutine that runs in it}: what it holds is the generator's for us, as in versions where
        it is a part of the generator (3.9 and 3.10)."""
        return {target: node for node in self.nodes.values() if node.type.rpartition(".")[2] in GENERATORS
                for target in node.edges if self.type_of(target) == "builtins.frame"}

    def is_table_of_interned_strings(self, record, node):
        """It does not count what it holds (3.14 lists it among the collected objects), so that it holds nothing for us."""
        return (record.type == "builtins.dict" and node is not None and not node.edges and len(record.targets) > 1000
                and all(self.type_of(target) == "builtins.str" for target in record.targets))

    def through_links(self, node):
        """functools' lru_cache visits what its list nodes hold as if it were its own; we keep the nodes."""
        reached, pending, seen = set(), list(node.edges), set()
        while pending:
            address = pending.pop()
            if address in seen or address not in self.nodes:
                continue
            seen.add(address)
            if "lru_list_elem" in self.nodes[address].type:
                reached.update(self.nodes[address].edges)
                pending.extend(self.nodes[address].edges)
        return reached

    def excuse(self, record, target, kind):
        """Why an edge is right though tp_traverse does not visit it; None if no reason is known.

        CPython skips on purpose what cannot be part of a cycle, and what is told in another way."""
        node = self.nodes.get(target)
        if node is None:
            return None
        if node.type in ATOMS and not node.flags & NODE_COLLECTED:
            return "%s: cannot be part of a cycle" % node.type
        if kind == EDGE_KINDS.index("type"):
            return "the type of an object, which every instance of a class made at run time counts (PyObject_Init)"
        if node.flags & NODE_IMMORTAL and not node.flags & NODE_COLLECTED:
            return "immortal, and not collected: nothing is kept alive by it"
        if node.refcount == node.in_edges and not node.flags & NODE_IMMORTAL:
            return "owned, as the reference count of its target says: without this reference it would be one too high"
        if record.type.rpartition(".")[2] in GENERATORS and any(
                target in self.records[other].targets for other in record.targets if self.type_of(other) == "builtins.frame"):
            return "what the frame of a generator holds (3.9 and 3.10)"
        if "lru_list_elem" in node.type:
            return "a list node of lru_cache: its contents are visited instead"
        if record.flags & SPLIT and kind == EDGE_KINDS.index("namespace"):
            return "the dict of an object whose values are visited themselves (PyObject_VisitManagedDict, 3.13)"
        if record.flags & SPLIT and kind == EDGE_KINDS.index("attribute") and any(
                target in self.records[other].targets for other in record.targets if other in self.records):
            return "an attribute value that is visited for the dict of its object (PyObject_VisitManagedDict, 3.14)"
        if record.flags & IS_TYPE and (node.type == "builtins.tuple" or kind == EDGE_KINDS.index("base")):
            return "a type's slot names and subclasses (type_traverse)"
        return None

    def compare_refcounts(self):
        """References found to an object against its own count of them."""
        wrong = self.table("reference count above references found (a holder unseen)", "type, difference")
        below = self.table("reference count below references found (a false reference)", "type, difference")
        checked = 0
        for address, node in self.nodes.items():
            if node.flags & (NODE_IMMORTAL | NODE_FAULT) or node.refcount > STATIC_COUNT:
                continue
            checked += 1
            difference = node.refcount - node.in_edges
            if difference:
                (wrong if difference > 0 else below).add((node.type, min(difference, 9) if difference > 0 else max(difference, -9)), hex(address))
        self.figures["counts checked"] = checked
        self.figures["counts right"] = 1 - (wrong.total() + below.total()) / max(1, checked)

    def compare_sizes(self):
        """Our sizes against what the program says of its own, the header of the collector included (true_size.py)."""
        wrong, leaf = self.table("sizes of collected objects", "type, ours - theirs"), self.table("sizes of other objects", "type, ours - theirs")
        kinds = self.table("sizes of types", "type, ours - theirs")
        seen, found = collections.Counter(), collections.Counter()
        for address, record in self.records.items():
            node = self.nodes.get(address)
            collected = bool(record.flags & COLLECTED)
            found[collected] += node is not None
            if node is None or not record.size:
                continue
            seen[collected] += 1
            difference = whole_words(node.size) - whole_words(record.size)
            if difference and record.flags & IS_TYPE:
                kinds.add((record.type, difference), hex(address))
            elif difference and not is_size_of_values(difference, record) and not self.is_bytes_object(difference, node):
                (wrong if collected else leaf).add((record.type, difference), hex(address))
        self.figures["sizes right, collected"] = 1 - wrong.total() / max(1, seen[True])
        self.figures["sizes right, others"] = 1 - leaf.total() / max(1, seen[False])
        self.figures["others found"] = found[False] / max(1, len(self.records) - len(self.collected))

    def is_bytes_object(self, difference, node):
        """Whether they count a bytes object to its owner (BytesIO, Pickler): for us it is an object of its own."""
        inside = (self.nodes[target] for target in node.edges if target in self.nodes)
        return difference < 0 and any(one.type == "builtins.bytes" and whole_words(one.size) == -difference for one in inside)

    def __str__(self):
        lines = ["%-26s %s" % (name, "%.4f %%" % (100 * value) if isinstance(value, float) else value)
                 for name, value in self.figures.items()]
        return "\n".join(lines + [str(table) for table in self.tables if table.counts])


def whole_words(size):
    return (size + 7) // 8 * 8


def is_size_of_values(difference, record):
    """Whether it is memory for attribute values that sys.getsizeof does not know of.

    3.11 and 3.12 allocate it apart from the instance and do not count it: one word per attribute of the class (at
    most 30) after a prefix of as many bytes and two, in whole words. 3.13 counts what an instance made now would get;
    the first ones of a class have room for more (Objects/dictobject.c: _PyObject_InitInlineValues)."""
    if not record.flags & SPLIT:
        return False
    return 0 < difference <= 8 * 30 + 32 and difference % 8 == 0


def compare(target, dump_graph, path):
    """The report of a running heap_target: first the picture, then what the program itself says."""
    nodes = read_graph(dump_graph, target.pid)
    target.send("dump %s" % path)
    target.wait_line("dumped", 120)
    report = Report(read_oracle(path), nodes)
    report.figures["objects frozen, gc says"] = int(target.greeting.split()[2])
    return report
