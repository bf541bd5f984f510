"""caulk run and children that can make no file for their recordings: another root, limits, no file descriptors."""
import os
import signal
import time

import pytest

from test_run import agent, line_of, lines_at, script, start, usual_signals  # noqa: F401
from test_run_hardships import wait_until

HOW = {
    "another root": """
        os.mkdir(sys.argv[1])
        os.chroot(sys.argv[1])
        os.chdir("/")
    """,
    "files of no size": """
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
    """,
    "no file": "resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))\n",
}

BEGIN = """
import glob, os, resource, signal, subprocess, sys
KEPT = []
def keep(count):
    for _ in range(count):
        KEPT.append(bytes(10000))  # kept
def child(count, end):
    pid = os.fork()
    if not pid:
        keep(count)
        end()
        os._exit(0)
    return os.waitpid(pid, 0)[1]
keep(10)
"""


def with_begin(text):
    return BEGIN + "\n".join(line[8:] if line.startswith(" " * 8) else line for line in text.splitlines()) + "\n"


def need_root(how):
    if how == "another root" and os.geteuid() != 0:
        pytest.skip("needs root")


@pytest.mark.parametrize("how", HOW)
def test_children_have_recordings(start, script, tmp_path, how):
    need_root(how)
    path = script(with_begin(HOW[how] + """
        grandchild = lambda: os._exit(child(400, lambda: None))
        kill = lambda: os.kill(os.getpid(), signal.SIGKILL)
        print(child(100, lambda: None), child(200, kill), child(300, grandchild))
    """))
    run = start("--every-byte", "--watch", "0", path, tmp_path / "root")
    assert run.finish() == 0
    assert run.stdout == "0 %d 0\n" % signal.SIGKILL
    report = run.report()
    counts = [lines_at(part, path, line_of(path, "kept"))[0]["live_count"] for part in report["processes"]]
    # One block and the list, which is grown at that line.
    assert sorted(counts) == [11, 111, 211, 311, 711] and report["notes"] == []
    child = next(part for part, count in zip(report["processes"], counts) if count == 311)
    assert next(part for part, count in zip(report["processes"], counts) if count == 711)["parent"] == child["pid"]


def test_a_program_that_may_have_files_of_no_size_has_a_recording(start, script):
    path = script(with_begin(HOW["files of no size"] + """
        if sys.argv[1:] != ["again"]:
            os.execv(sys.executable, [sys.executable, __file__, "again"])
        keep(100)
    """))
    run = start("--every-byte", "--watch", "0", path)
    assert run.finish() == 0
    counts = [lines_at(part, path, line_of(path, "kept"))[0]["live_count"] for part in run.report()["processes"]]
    assert counts == [11, 111], run.errors()


def test_more_children_than_places(start, script, tmp_path):
    """64 places; the rest is counted."""
    path = script(with_begin(HOW["no file"] + "print(sum(child(10, lambda: None) for _ in range(67)))\n"))
    run = start("--interval", "10000", "--budget", "100", "--watch", "0", path)
    assert run.finish() == 0 and run.stdout == "0\n"
    report = run.report()
    assert len(report["processes"]) == 65
    assert [note.split(":")[0] for note in report["notes"]] == ["3 more processes have no recording"]
    assert run.errors().count("3 more processes have no recording") == 1


def test_the_file_with_places_is_cut(start, script):
    path = script(with_begin(HOW["files of no size"] + """
        for spare in glob.glob(os.environ["TMPDIR"] + "/**/spare.*", recursive=True):
            os.truncate(spare, 0)
            print(child(10, lambda: None))
    """))
    run = start("--every-byte", "--watch", "0", path)
    assert run.finish() == 0 and run.stdout == "0\n"
    report = run.report()
    assert len(report["processes"]) == 1
    assert [note.split(":")[0] for note in report["notes"]] == ["1 more process has no recording"]


def test_a_child_in_such_a_place_is_watched(start, script, tmp_path):
    path = script(with_begin(HOW["files of no size"] + """
        import time
        def grow():
            while not os.path.exists(sys.argv[1]):
                keep(5)
                time.sleep(0.01)
        print("begun", flush=True)
        print(child(10, grow))
    """))
    run = start("--watch", "0.5", path, tmp_path / "go")
    run.wait_for("begun")
    wait_until(lambda: verdict_of_a_child(run), "the child to be seen often enough")
    (tmp_path / "go").touch()
    assert run.finish() == 0 and run.stdout == "0\n"
    assert verdict_of_a_child(run)["growth"]["live_bytes_per_second"] > 0


def verdict_of_a_child(run):
    """What caulk says of it now, if it can."""
    if run.process.poll() is None:
        os.kill(run.process.pid, signal.SIGUSR2)
        time.sleep(0.5)
    try:
        parent, child = run.report()["processes"]
    except (OSError, ValueError): # no report yet, one that is being written, one process
        return None
    return child["verdict"]
