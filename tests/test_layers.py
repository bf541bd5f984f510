"""The layers of src/: nothing includes upward, and the document says the same as this table."""
import os
import re

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

# Layer -> layers that its files may include. docs/ARCHITECTURE.md has the same table in words.
MAY_INCLUDE = {
    "base": set(),
    "memory": {"base"},
    "cpython": {"memory", "base"},
    "blocks": {"wire", "cpython", "memory", "base"},
    "graph": {"base"},
    "analysis": {"graph", "base"},
    "wire": set(),
    "samples": {"wire", "base"},
    "agent": {"wire"},
    "diagnosis": {"analysis", "graph", "samples", "wire", "base"},
    "report": {"diagnosis", "analysis", "graph", "samples", "wire", "base"},
    "app": {"report", "diagnosis", "analysis", "graph", "samples", "wire", "cpython", "memory", "base"},
}

# The one bridge from cpython to graph.
BRIDGE = re.compile(r"graph/captured?(_\w+)?\.[ch]$")
BRIDGE_MAY_INCLUDE = {"blocks", "cpython", "memory", "base"}

INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)


def sources(tree):
    for folder, _, names in os.walk(tree):
        for name in sorted(names):
            if name.endswith((".c", ".h")):
                yield os.path.relpath(os.path.join(folder, name), tree)


def upward_includes(tree):
    """Lines like "graph/graph.c includes report/report.h" for every include that the table forbids."""
    wrong = []
    for path in sources(tree):
        layer = path.split(os.sep)[0]
        if layer not in MAY_INCLUDE:
            wrong.append("%s lies in no known layer" % path)
            continue
        allowed = MAY_INCLUDE[layer] | {layer}
        if BRIDGE.match(path.replace(os.sep, "/")):
            allowed |= BRIDGE_MAY_INCLUDE
        with open(os.path.join(tree, path)) as stream:
            for included in INCLUDE.findall(stream.read()):
                if included.split("/")[0] not in allowed:
                    wrong.append("%s includes %s" % (path, included))
    return wrong


def test_no_file_includes_upward():
    assert upward_includes(os.path.join(ROOT, "src")) == []


def test_only_the_bridge_joins_graph_and_cpython():
    tree = os.path.join(ROOT, "src")
    bridges = [path for path in sources(tree) if BRIDGE.match(path.replace(os.sep, "/"))]
    assert "graph/capture.c" in bridges and "graph/graph.c" not in bridges


@pytest.mark.parametrize("path, line, expected", [
    ("graph/graph.c", '#include "report/report.h"', ["graph/graph.c includes report/report.h"]),
    ("graph/graph.c", '#include "cpython/process.h"', ["graph/graph.c includes cpython/process.h"]),
    ("memory/image.c", '  #  include "graph/graph.h"', ["memory/image.c includes graph/graph.h"]),
    ("report/a/text.c", '#include "app/command.h"', ["report/a/text.c includes app/command.h"]),
    ("utils/text.c", "", ["utils/text.c lies in no known layer"]),
    ("graph/capture.c", '#include "cpython/process.h"', []),
    ("graph/graph.c", "#include <stdio.h>", []),
    ("app/main.c", '#include "report/report.h"', []),
])
def test_the_check_sees_what_it_should(tmp_path, path, line, expected):
    file = tmp_path / path
    file.parent.mkdir(parents=True)
    file.write_text(line + "\n")
    assert upward_includes(str(tmp_path)) == expected


def test_the_document_has_every_layer():
    with open(os.path.join(ROOT, "docs", "ARCHITECTURE.md")) as stream:
        text = stream.read()
    for layer, allowed in MAY_INCLUDE.items():
        row = re.search(r"^\| `src/%s/` \|.*\| ([\w, ]+) \|$" % layer, text, re.MULTILINE)
        assert row, "docs/ARCHITECTURE.md has no row for src/%s/" % layer
        words = set(re.findall(r"\w+", row.group(1))) - {"nothing"}
        assert words == allowed, "docs/ARCHITECTURE.md on src/%s/" % layer
