"""The soak tests in short; `make soak` runs them at full length."""
import kill9
import soak_snapshots


def test_snapshots_leave_nothing(caulk, newest_python, tmp_path):
    figures = soak_snapshots.soak_snapshots(caulk, newest_python, 40, str(tmp_path))
    assert figures["requests"] > 200


def test_killed_visits_leave_nothing(caulk, newest_python, tmp_path):
    figures = kill9.kill9(caulk, newest_python, 20, str(tmp_path))
    assert figures["killed at work"] >= 5
