"""caulk run celery: workers whose tasks leak, in a pool of children, in threads and in the main process."""
import json
import os
import signal
import subprocess
import time

import pytest

import pythons

REQUIREMENTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "requirements-celery.txt")
TASKS, SIZE = 20, 3000000
# Blocks of this size are all sampled, so that their bytes are exact; what is small beside them is not.
INTERVAL = SIZE // 50

SHOP = """
import os, sys
import celery
HERE = os.path.dirname(os.path.abspath(__file__))
FOLDERS = {name: os.path.join(HERE, "queue") for name in ("data_folder_in", "data_folder_out")}
app = celery.Celery("shop", broker="filesystem://")
app.conf.update(broker_transport_options=dict(FOLDERS, control_folder=os.path.join(HERE, "control"), polling_interval=0.05),
                task_ignore_result=True, worker_hijack_root_logger=False)
BASKETS = []
@app.task
def order(number):
    waste = [bytes(%d) for _ in range(10)]  # wasted
    BASKETS.append(bytes(%d))  # kept
    with open(os.path.join(HERE, "done"), "a") as done:
        done.write("%%d\\n" %% os.getpid())
if __name__ == "__main__":
    for number in range(int(sys.argv[1])):
        order.delay(number)
""" % (SIZE, SIZE)


@pytest.fixture(scope="module")
def python_with_celery():
    found = pythons.find("3.12") or pythons.find("3.11") or pytest.skip("neither CPython 3.12 nor 3.11 is on this machine")
    try:
        return pythons.environment(found, REQUIREMENTS, "celery")
    except RuntimeError as error:
        pytest.skip("NOT TESTED: celery cannot be installed: %s" % error)


def line_of(mark):
    return 1 + next(number for number, text in enumerate(SHOP.splitlines()) if text.endswith("# " + mark))


def wait_for_tasks(done, process):
    deadline = time.monotonic() + 90
    while not done.exists() or len(done.read_text().split()) < TASKS:
        assert time.monotonic() < deadline and process.poll() is None, "%s tasks are not done" % TASKS
        time.sleep(0.05)
    return {int(pid) for pid in done.read_text().split()}


def run_worker(caulk, python, folder, *words):
    """The pids that did the tasks, the report and what is said of it."""
    with open(folder / "stderr.txt", "wb") as log:
        process = subprocess.Popen([caulk, "run", "--interval", str(INTERVAL), "--budget", "100", "--watch", "0",
                                    "--json", str(folder / "report.json"),
                                    os.path.join(os.path.dirname(python), "celery"), "-A", "shop", "worker", "--without-gossip",
                                    "--without-mingle", "--without-heartbeat", "--hostname", "one@localhost", *words],
                                   cwd=folder, stdout=subprocess.DEVNULL, stderr=log, start_new_session=True)
    try:
        workers = wait_for_tasks(folder / "done", process)
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(60) == 0, (folder / "stderr.txt").read_text()
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    return workers, json.loads((folder / "report.json").read_text()), (folder / "stderr.txt").read_text()


@pytest.mark.parametrize("pool, children", [("prefork", 2), ("threads", 0), ("solo", 0)])
def test_tasks_that_leak(caulk, python_with_celery, tmp_path, pool, children):
    (tmp_path / "shop.py").write_text(SHOP)
    for name in ("queue", "control"):
        (tmp_path / name).mkdir()
    subprocess.run([python_with_celery, "shop.py", str(TASKS)], cwd=tmp_path, check=True, timeout=60)
    workers, report, said = run_worker(caulk, python_with_celery, tmp_path, "--pool", pool, "--concurrency", "2")
    main = report["processes"][0]["pid"]
    assert main not in workers if children else workers == {main}
    parts = [part for part in report["processes"] if part["pid"] in workers]
    assert len(parts) == len(workers) and {part["parent"] for part in parts if children} <= {main}
    shop, kept = str(tmp_path / "shop.py"), line_of("kept")
    lines = [line for part in parts for line in part["own_lines"] if (line["file"], line["line"]) == (shop, kept)]
    assert sum(line["live_bytes"] for line in lines) == pytest.approx(TASKS * SIZE, rel=0.01) and len(lines) == len(workers)
    assert all(line["function"] == "order" for line in lines)
    own = [line for line in report["together"]["own_lines"] if line["file"] == shop]
    assert max(own, key=lambda line: line["live_bytes"])["line"] == kept, own
    for part in parts:
        told = said.split("\nprocess %d " % part["pid"])[1].split("\nprocess ")[0] if children else said
        assert "shop.py:%d " % kept in told.split("ALIVE AT THE END")[1]
    wasted = [line for line in report["together"]["own_lines"] if (line["file"], line["line"]) == (shop, line_of("wasted"))]
    assert sum(line["total_bytes"] for line in wasted) == pytest.approx(10 * TASKS * SIZE, rel=0.01)
    assert sum(line["live_bytes"] for line in wasted) <= 10 * 1.01 * SIZE * len(workers)
