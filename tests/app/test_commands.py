"""The commands over a process whose heap is known, and over a file of it."""
import json
import os
import stat
import subprocess
import time

import pytest

STORE_SIZE = 5000

SERVICE = """
import sys, time
class Session:
    def __init__(self, number):
        self.cart = [number] * 20
class Basket:
    pass
STORE = {"session-%%d" %% number: Session(number) for number in range(%d)}
holder = Basket()
holder.inner = Basket()
holder.inner.letters = [chr(40 + n %% 50) * 30 + str(n) for n in range(1000)]
print("ready", flush=True)
for line in sys.stdin:
    for number in range(int(line)):
        STORE["more-%%d-%%d" %% (number, len(STORE))] = Session(number)
    print("ready", flush=True)
while True:
    time.sleep(1)
""" % STORE_SIZE


@pytest.fixture
def service(target, newest_python):
    return target([newest_python, "-c", SERVICE])


def call(caulk, *words, status=0):
    result = subprocess.run([caulk, *map(str, words)], capture_output=True, text=True, timeout=120)
    assert result.returncode == status and result.stderr == "", result
    return result.stdout


def call_json(caulk, *words, status=0):
    return json.loads(call(caulk, *words, "--json", "-", status=status))


@pytest.fixture
def snapshot(caulk, service, tmp_path):
    path = tmp_path / "store.caulk"
    call(caulk, "snapshot", service.pid, "-o", path)
    return path


def test_version_and_help(caulk):
    assert call(caulk, "--version").startswith("caulk ")
    text = call(caulk, "--help")
    for command in ("leaks", "snapshot", "top", "tree", "why", "diff", "doctor", "attach", "detach"):
        assert "\n  %s " % command in text
        own = call(caulk, command, "--help")
        assert own.startswith("usage: caulk %s " % command)
        assert "examples:" in own and "--json" in own


def test_snapshot_says_what_it_saw(caulk, service):
    totals = call_json(caulk, "snapshot", service.pid)
    assert totals["pid"] == service.pid
    assert totals["objects"] > totals["gc_objects"] > 2 * STORE_SIZE
    assert totals["references"] > totals["objects"]
    assert totals["pause_ms"] > 0
    assert totals["python"].startswith("3.")
    assert totals["coverage"]["garbage_collector_run"] is False


def test_a_snapshot_file_is_private(snapshot):
    assert stat.S_IMODE(os.stat(snapshot).st_mode) == 0o600


def test_a_snapshot_file_has_no_contents(caulk, service, tmp_path):
    """Keys that are no identifiers are private unless asked for."""
    plain, full = tmp_path / "plain.caulk", tmp_path / "full.caulk"
    call(caulk, "snapshot", service.pid, "-o", plain)
    call(caulk, "snapshot", service.pid, "-o", full, "--values")
    paths = [call_json(caulk, "why", file, "Session", "--limit", "20")["paths"] for file in (plain, full)]
    assert not any("session-" in path["path"] for path in paths[0])
    assert all("session-" in path["path"] for path in paths[1])


def test_top_counts_every_instance(caulk, service, snapshot):
    for source in (service.pid, snapshot):
        top = call_json(caulk, "top", source, "--limit", "1000")
        sessions = [row for row in top["types"] if row["type"] == "__main__.Session"]
        assert [row["count"] for row in sessions] == [STORE_SIZE]
        assert sessions[0]["retained_bytes"] > sessions[0]["bytes"] > 0
        assert top["holders"][0]["path"] == "__main__.STORE"
        assert top["holders"][0]["entries"] == STORE_SIZE


@pytest.mark.parametrize("order, key", [("retained", "retained_bytes"), ("bytes", "bytes"), ("count", "count")])
def test_top_is_sorted_as_asked(caulk, snapshot, order, key):
    values = [row[key] for row in call_json(caulk, "top", snapshot, "--by", order, "--limit", "15")["types"]]
    assert len(values) == 15 and values == sorted(values, reverse=True)


def test_tree_retains_less_and_less(caulk, snapshot):
    rows = call_json(caulk, "tree", snapshot, "--depth", "5")["rows"]
    open_rows = []
    for row in rows:
        del open_rows[row["depth"]:]
        if open_rows:
            assert row["retained_bytes"] <= open_rows[-1]
        open_rows.append(row["retained_bytes"])
    assert any(row["type"] == "__main__.Session" and row["count"] == STORE_SIZE for row in rows)


def test_tree_keeps_to_its_limits(caulk, snapshot):
    rows = call_json(caulk, "tree", snapshot, "--depth", "2", "--limit", "3")["rows"]
    assert max(row["depth"] for row in rows) == 1
    top_rows = [row for row in rows if row["depth"] == 0]
    assert len(top_rows) == 4 and top_rows[-1]["left_out"] > 0
    heap = call_json(caulk, "top", snapshot)["snapshot"]
    assert sum(row["retained_bytes"] for row in top_rows) <= heap["bytes"]


def test_why_names_the_holder(caulk, service, snapshot):
    for source in (service.pid, snapshot):
        why = call_json(caulk, "why", source, "Session", "--limit", "2")
        assert why["matches"] == STORE_SIZE and len(why["paths"]) == 2
        for path in why["paths"]:
            assert path["path"].startswith("__main__.STORE[")
            assert [step["type"] for step in path["steps"]][-2:] == ["dict", "__main__.Session"]
            assert path["retained_bytes"] > 100


def test_why_finds_by_dotted_name_and_by_address(caulk, service):
    why = call_json(caulk, "why", service.pid, "__main__.holder.inner.letters")
    assert [path["path"] for path in why["paths"]] == ["__main__.holder.inner.letters"]
    address = why["paths"][0]["steps"][-1]["address"]
    assert call_json(caulk, "why", service.pid, address)["paths"] == why["paths"]
    assert call_json(caulk, "why", service.pid, "__main__")["paths"][0]["path"] == "__main__"


def test_diff_counts_what_came(caulk, service, snapshot):
    service.send("700")
    service.wait_line("ready")
    diff = call_json(caulk, "diff", snapshot, service.pid)
    types = {row["type"]: row for row in diff["types"]}
    assert types["__main__.Session"]["objects"] == 700
    assert diff["paths"][0]["path"] == "__main__.STORE"
    assert diff["paths"][0]["objects"] >= 2 * 700
    assert diff["seconds"] > 0


def test_diff_of_a_file_with_itself_is_empty(caulk, snapshot):
    diff = call_json(caulk, "diff", snapshot, snapshot)
    assert diff["types"] == [] and diff["paths"] == []


def test_one_snapshot_is_inconclusive(caulk, snapshot):
    verdict = call_json(caulk, "leaks", snapshot, status=2)
    assert verdict["verdict"] == "inconclusive"
    assert verdict["window"]["snapshots"] == 1


def test_files_are_compared_in_order(caulk, service, tmp_path):
    files = []
    for number in range(5):
        files.append(tmp_path / ("%d.caulk" % number))
        call(caulk, "snapshot", service.pid, "-o", files[-1])
        service.send("3000")
        service.wait_line("ready")
        time.sleep(1)
    verdict = call_json(caulk, "leaks", *files, status=1)
    assert verdict["window"]["snapshots"] == 5
    assert verdict["findings"][0]["holder"]["path"] == "__main__.STORE"
    types = [row["type"] for row in verdict["findings"][0]["grows"]]
    assert any(name.endswith("Session") for name in types)


def test_json_to_a_file_leaves_the_text(caulk, snapshot, tmp_path):
    path = tmp_path / "verdict.json"
    text = call(caulk, "leaks", snapshot, "--json", path, status=2)
    assert text.startswith("caulk · ")
    assert json.loads(path.read_text())["schema"] == "caulk.verdict/1"
    assert os.listdir(tmp_path).count("verdict.json") == 1 and not list(tmp_path.glob("verdict.json.*"))


def test_no_colours_unless_on_a_terminal(caulk, snapshot):
    assert "\033" not in call(caulk, "leaks", snapshot, status=2)
