"""A Python inside of Apache: mod_wsgi, whose applications run in a daemon process or in Apache's own."""
import json
import os
import shutil
import subprocess
import tempfile
import time

import pytest

import deploy
from test_hosts import APPLICATION, Load, ask, free_port

MODULES = "/usr/lib/apache2/modules"

CONFIGURATION = """
ServerRoot {folder}
ServerName localhost
PidFile {folder}/apache.pid
DefaultRuntimeDir {folder}
ErrorLog {folder}/error.log
Listen 127.0.0.1:{port}
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule wsgi_module {modules}/mod_wsgi.so
User {user}
Group {user}
ServerLimit 1
StartServers 1
ThreadsPerChild 4
MaxRequestWorkers 4
MinSpareThreads 1
MaxSpareThreads 4
{daemon}
WSGIScriptAlias / {folder}/shop.py process-group={group} application-group={application}
<Directory {folder}>
    Require all granted
</Directory>
"""

# Where the application runs.
PLACES = {
    "a daemon process": ("WSGIDaemonProcess shop processes=1 threads=2", "shop"),
    "Apache's own process": ("", "%{GLOBAL}"),
}


@pytest.fixture
def folder():
    """Apache's user must be able to read it, which pytest's own folders do not let him."""
    path = tempfile.mkdtemp(prefix="caulk-test-", dir="/tmp")
    os.chmod(path, 0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture(params=PLACES)
def apache(request, folder):
    """(the application's process, its port)"""
    program = shutil.which("apache2", path=os.environ["PATH"] + ":/usr/sbin")
    if not program or not os.path.exists(MODULES + "/mod_wsgi.so"):
        pytest.skip("NOT TESTED: no Apache with mod_wsgi here: install apache2 and libapache2-mod-wsgi-py3")
    if os.geteuid() != 0:
        pytest.skip("needs root, to start Apache as another user")
    daemon, group = PLACES[request.param]
    port = free_port()
    with open(folder + "/shop.py", "w") as stream:
        stream.write("import os\n" + APPLICATION.replace('b"pong"', 'b"%d" % os.getpid()'))
    with open(folder + "/apache.conf", "w") as stream:
        stream.write(CONFIGURATION.format(folder=folder, port=port, modules=MODULES, daemon=daemon, group=group,
                                          user="www-data", application="%{GLOBAL}"))
    process = subprocess.Popen([program, "-f", folder + "/apache.conf", "-D", "FOREGROUND"], start_new_session=True)
    try:
        yield wait_for_answer(port, process, folder), port
    finally:
        process.terminate()
        process.wait(30)


def wait_for_answer(port, process, folder):
    deadline = time.monotonic() + 30
    while True:
        try:
            return int(ask("http://127.0.0.1:%d/" % port))
        except OSError:
            with open(folder + "/error.log", "a+") as log:
                log.seek(0)
                assert time.monotonic() < deadline and process.poll() is None, log.read()
            time.sleep(0.1)


def test_a_leak_in_an_application_of_mod_wsgi(caulk, apache):
    pid, port = apache
    with open("/proc/%d/comm" % pid) as stream:
        assert stream.read() == "apache2\n"
    load = Load("http://127.0.0.1:%d/" % port, b"%d" % pid)
    load.start()
    verdict = json.loads(deploy.call(caulk, "leaks", pid, "--seconds", "8", "--json", "-", status=1).stdout)
    load.over = True
    load.join()
    first, = verdict["findings"]
    assert first["kind"] == "growing-container", verdict["findings"]
    assert first["holder"]["path"].startswith("_mod_wsgi_") and first["holder"]["path"].endswith(".ORDERS"), first["holder"]
    assert load.failed == [] and deploy.children_of(pid) == []
    assert deploy.count_of(caulk, pid, "Session") >= deploy.KEPT
