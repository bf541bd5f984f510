"""The graph of a real heap against what the process itself says of it: objects, references, counts, sizes."""
import os

import oracle
import pytest
import pythons
import target as targets

HERE = os.path.dirname(os.path.abspath(__file__))


@pytest.fixture(scope="module")
def report(python_with_programs, dump_graph, tmp_path_factory):
    folder = tmp_path_factory.mktemp("oracle")
    many = pythons.version_of(python_with_programs)[-1].isdigit()
    target = targets.Target([python_with_programs, os.path.join(HERE, "heap_target.py")] + ["--many"] * many, str(folder / "stderr"))
    try:
        report = oracle.compare(target, dump_graph, str(folder / "oracle.bin"))
    finally:
        target.stop()
    report.many = many
    report.modules_imported, report.kinds = int(target.greeting.split()[1]), int(target.greeting.split()[3])
    return report


# Shares of references found, of references that are true, and of counts that add up.
BARS = (0.999, 0.995, 0.995)


def test_the_heap_is_one_of_everything(report):
    assert report.modules_imported >= 150
    assert report.kinds >= 50 or not report.many


def test_objects_are_exactly_those_of_the_collector(report):
    assert report.figures["objects in gc"] > 50000
    assert report.figures["objects in graph"] == report.figures["objects in gc"], report
    assert not report.tables[0].counts and not report.tables[1].counts, report
    assert report.figures["objects frozen"] == report.figures["objects frozen, gc says"], report


def test_types_are_right(report):
    assert report.figures["wrong types"] == 0, report.tables[2]


def test_references_are_found(report):
    assert report.figures["recall"] >= BARS[0], report


def test_references_are_true(report):
    assert report.figures["precision"] >= BARS[1], report


def test_reference_counts_add_up(report):
    assert report.figures["counts checked"] > 100000
    assert report.figures["counts right"] >= BARS[2], report


def test_sizes_are_exact(report):
    """No object of any type has another size than it says, but by the rules in true_size.py and oracle.py."""
    wrong = {key: count for table in report.tables if table.title.startswith("sizes") for key, count in table.counts.items()}
    assert not wrong, "(type, ours - theirs): count %s" % wrong
    assert report.figures["others found"] >= 0.99, report


def test_frozen_objects_are_seen(python, dump_graph, target):
    """gc.freeze() hides every object from gc.get_objects(), but not from us."""
    frozen = target([python, os.path.join(HERE, "heap_target.py"), "--freeze"])
    nodes = oracle.read_graph(dump_graph, frozen.pid).values()
    permanent = [node for node in nodes if node.flags & oracle.NODE_PERMANENT]
    assert len(permanent) == int(frozen.greeting.split()[2]) > 20000
    assert all(node.flags & oracle.NODE_COLLECTED for node in permanent)
    assert sum(node.type.endswith(".Plain") for node in permanent) > 2000
