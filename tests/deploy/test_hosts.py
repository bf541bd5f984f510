"""Python in the hands of another program: uWSGI's workers, one file packed by PyInstaller."""
import json
import os
import socket
import subprocess
import threading
import time
import urllib.request

import pytest

import deploy
import pythons

REQUIREMENTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "requirements-hosts.txt")
HOSTED = ("3.13", "3.12", "3.11", "3.10")  # both have binaries for these


@pytest.fixture(scope="module")
def hosts():
    """The folder of the commands, in an environment of one Python."""
    found = [python for python in map(pythons.find, HOSTED) if python and ".cache" not in python]
    if not found:
        pytest.skip("none of CPython %s is on this machine" % ", ".join(HOSTED))
    try:
        return os.path.dirname(pythons.environment(found[0], REQUIREMENTS, "hosts"))
    except RuntimeError as error:
        pytest.skip("NOT TESTED: uWSGI and PyInstaller cannot be installed: %s" % error)


APPLICATION = """
import sys
class Session:
    pass
STORE = {number: Session() for number in range(%d)}
ORDERS = []
def application(environ, start_response):
    ORDERS.append([Session() for _ in range(100)])
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"pong"]
print("ready", flush=True)
""" % deploy.KEPT


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def ask(url):
    with urllib.request.urlopen(url, timeout=20) as answer:
        return answer.read()


class Load(threading.Thread):
    """One request after the other; `failed` are those that were not answered so."""

    def __init__(self, url, answer=b"pong"):
        super().__init__(daemon=True)
        self.url, self.answer, self.failed, self.over = url, answer, [], False

    def run(self):
        while not self.over:
            try:
                assert ask(self.url) == self.answer
            except (OSError, AssertionError) as error:
                self.failed.append(error)
            time.sleep(0.01)


def test_a_leak_in_a_worker_of_uwsgi(caulk, target, hosts, tmp_path):
    script = tmp_path / "shop.py"
    script.write_text(APPLICATION)
    port = free_port()
    master = target(["sh", "-c", 'exec "$0" "$@" 2>&1', os.path.join(hosts, "uwsgi"), "--http-socket",
                     "127.0.0.1:%d" % port, "--master", "--processes", "1", "--lazy-apps", "--need-app", "--die-on-term",
                     "--disable-logging", "--wsgi-file", script.name], cwd=str(tmp_path))
    worker = deploy.child_of(master.pid)
    load = Load("http://127.0.0.1:%d/" % port)
    load.start()
    verdict = json.loads(deploy.call(caulk, "leaks", worker, "--seconds", "8", "--json", "-", status=1).stdout)
    load.over = True
    load.join()
    assert [finding["holder"]["path"] for finding in verdict["findings"]] == ["uwsgi_file_shop.ORDERS"]
    assert load.failed == [] and deploy.children_of(worker) == [] and master.alive()
    assert deploy.count_of(caulk, worker, "Session") >= deploy.KEPT


def test_a_program_in_one_packed_file(caulk, target, hosts, tmp_path):
    """It unpacks libpython into a folder of its own, and the program is its child."""
    (tmp_path / "packed.py").write_text(deploy.program())
    made = subprocess.run([os.path.join(hosts, "pyinstaller"), "--onefile", "--log-level", "ERROR", "packed.py"],
                          cwd=tmp_path, capture_output=True, text=True, timeout=600)
    assert made.returncode == 0, made
    process = target([tmp_path / "dist" / "packed"])
    deploy.check_visit(caulk, process, tmp_path, deploy.child_of(process.pid))
