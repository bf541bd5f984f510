"""Print all comparisons for one Python by hand: report_oracle.py PYTHON [DUMP_GRAPH]"""
import os
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "support"))

import oracle  # noqa: E402
import pythons  # noqa: E402
import target as targets  # noqa: E402


def main():
    python = sys.argv[1] if len(sys.argv) > 1 else sys.executable
    if os.path.exists(os.path.join(pythons.ROOT, ".cache", "python-" + python)):
        python = os.path.join(pythons.ROOT, ".cache", "python-" + python, "bin", "python")
    dump_graph = sys.argv[2] if len(sys.argv) > 2 else os.path.join(pythons.ROOT, "build/tests/cpython/dump_graph")
    with tempfile.TemporaryDirectory() as folder:
        target = targets.Target([python, os.path.join(HERE, "heap_target.py"), "--many"], os.path.join(folder, "stderr"))
        try:
            print(oracle.compare(target, dump_graph, os.path.join(folder, "oracle.bin")))
        finally:
            target.stop()


if __name__ == "__main__":
    main()
