"""The soak tests in short; `make soak` runs them at full length."""
import attach_cycles
import kill9
import soak_snapshots


def test_snapshots_leave_nothing(caulk, newest_python, tmp_path):
    figures = soak_snapshots.soak_snapshots(caulk, newest_python, 40, str(tmp_path))
    assert figures["requests"] > 200


def test_killed_visits_leave_nothing(caulk, newest_python, tmp_path):
    figures = kill9.kill9(caulk, newest_python, 20, str(tmp_path))
    assert figures["killed at work"] >= 5


def test_attach_and_detach_leave_nothing(caulk, newest_python, tmp_path):
    figures = attach_cycles.attach_cycles(caulk, newest_python, 15, str(tmp_path))
    assert figures["requests"] > 100
