"""caulk on a gunicorn worker under load, with a leak several objects deep, and on the same shop repaired."""
import os
import time

import load as loads
import pytest
import pythons
import verdict as verdicts

HERE = os.path.dirname(os.path.abspath(__file__))
STARTER = """import os, sys, gunicorn.app.wsgiapp as wsgi
os.write(1, b"ready\\n")
sys.argv = ["gunicorn"] + sys.argv[1:]
wsgi.run()"""


@pytest.fixture(params=["leaking", "repaired"])
def shop(request, python_with_programs, target, tmp_path):
    """(which, port, pid of the one worker, process)"""
    port = loads.free_port()
    environment = {"SHOP_AUDIT": "forget"} if request.param == "repaired" else {}
    quiet = [] if pythons.version_of(python_with_programs).startswith("3.9.") else ["--no-control-socket"]  # none in its gunicorn
    process = target([python_with_programs, "-c", STARTER, "--worker-class", "gthread", "--threads", "4", "--workers", "1",
                      "--bind", "127.0.0.1:%d" % port, *quiet, "shop:application"],
                     env=environment, cwd=HERE)
    deadline = time.monotonic() + 30
    while True:
        try:
            return request.param, port, loads.get_json(port, "/health")["pid"], process
        except OSError:
            assert time.monotonic() < deadline and process.alive(), process.errors()
            time.sleep(0.1)


def test_shop(caulk, shop):
    which, port, worker, process = shop
    with loads.Load(port, lambda number: "/orders/%d" % number) as load:
        while load.answered < 300:
            time.sleep(0.05)
            assert not load.failures, load.failures[:3]
        before = load.answered
        verdict = verdicts.leaks(caulk, worker, 8)
        assert load.answered - before > 500
    words = verdicts.summary(verdict)
    assert set(load.statuses) == {200} and not load.failures, (load.statuses, load.failures[:3])
    assert process.alive()
    if which == "repaired":
        assert verdict["verdict"] == "no-leak", words
        return
    assert verdict["verdict"] == "leak", words
    first = verdict["findings"][0]
    assert first["kind"] == "growing-container", words
    assert verdicts.in_order(["orders", "auditor", "trail", "by_request"], verdicts.path_of(first)), words
    assert any(grown["type"].rpartition(".")[2] in ("Record", "dict") for grown in first["grows"]), words
    per_request = first["bytes_per_second"] * verdict["window"]["seconds"] / (load.answered - before)
    assert 2000 < per_request < 12000, (per_request, words)
