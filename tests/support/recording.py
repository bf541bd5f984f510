"""A recording of the sampler, read with nothing but docs/WIRE.md: what tests compare the agent with."""
import collections
import struct

ONE = 1024.0
COHORTS = 8
TEXTS, CODES, PLACES, FRAMES, STACKS, TIMELINE = range(6)
STARTING, SAMPLING, STOPPED, EXITED = range(4)
ROOT, PYTHON, NATIVE, THREAD, AWAITED, GREENLET = range(6)
EVERY_BYTE, WATCHES_NATIVE, REBIRTH, FORKED, NATIVE_STACKS = 1, 2, 4, 8, 16

HEAD = ("magic version head_size file_size state flags pid parent python unrecorded started clock interval first_interval now"
        " cohort_width range_base range_size range_used span_size live_bytes live_count peak_bytes peak_count peak_time"
        " peak_generation total_bytes total_count samples samples_freed agent_bytes reborn").split()
HEAD_FORMAT = "<8sIIQIIiiII" + "Q" * 22
REGION_FORMAT = "<QIIII"
STACK_FORMAT = "<II" + "Q" * 8 + "Q" * COHORTS + "I" * COHORTS

Frame = collections.namedtuple("Frame", "parent kind code address line end_line column end_column")
Stack = collections.namedtuple("Stack", "frame samples_live samples live_bytes live_count total_bytes total_count"
                                        " peak_bytes peak_count cohort_bytes cohort_samples")


class Recording:
    def __init__(self, path):
        with open(path, "rb") as stream:
            self.data = stream.read()
        values = struct.unpack_from(HEAD_FORMAT, self.data)
        for name, value in zip(HEAD, values):
            setattr(self, name, value)
        assert self.magic == b"CAULKREC", path
        at = struct.calcsize(HEAD_FORMAT)
        self.regions = [struct.unpack_from(REGION_FORMAT, self.data, at + i * struct.calcsize(REGION_FORMAT)) for i in range(6)]
        at += 6 * struct.calcsize(REGION_FORMAT)
        self.command = self.data[at:at + 256].split(b"\0")[0].decode()
        self.places = self.rows(PLACES, "<IIQIIii")
        self.frames = [Frame(parent, *self.places[place]) for parent, place in self.rows(FRAMES, "<II")]
        self.codes = self.rows(CODES, "<IIIIII")
        self.stacks = [self.stack(row) for row in self.rows(STACKS, STACK_FORMAT)]
        self.moments = self.rows(TIMELINE, "<QQQ")

    def rows(self, region, layout):
        offset, size, _, used, _ = self.regions[region]
        assert struct.calcsize(layout) == size, (region, size)
        return [struct.unpack_from(layout, self.data, offset + i * size) for i in range(used)]

    def stack(self, row):
        at_peak = row[7:9] if row[9] == self.peak_generation else row[3:5]
        return Stack(row[0], row[1], row[2], *(value / ONE for value in row[3:7]), *(value / ONE for value in at_peak),
                     tuple(value / ONE for value in row[10:18]), row[18:26])

    def text(self, offset, length):
        begin = self.regions[TEXTS][0] + offset
        return self.data[begin:begin + length].decode()

    def place(self, frame):
        """(file, function, line)"""
        code = self.codes[frame.code]
        return self.text(*code[2:4]), self.text(*code[0:2]), frame.line

    def calls(self, index):
        """The frames from the leaf outwards."""
        while index:
            yield self.frames[index]
            index = self.frames[index].parent

    def lines(self):
        """{(file, function, line): [live bytes, live count, total bytes, total count]} by the innermost Python frame."""
        found = collections.defaultdict(lambda: [0.0] * 4)
        for stack in self.stacks:
            inner = next((frame for frame in self.calls(stack.frame) if frame.kind == PYTHON), None)
            place = self.place(inner) if inner else ("", "", 0)
            for i, value in enumerate((stack.live_bytes, stack.live_count, stack.total_bytes, stack.total_count)):
                found[place][i] += value
        return dict(found)
