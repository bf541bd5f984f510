"""caulk run: the program is itself, whatever it is; what it allocated is told by line, its children too."""
import json
import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest

import pythons

BLOCK, BLOCKS = 10000, 300


@pytest.fixture(scope="session")
def agent(caulk):
    """Nothing of this works without the sampler beside the program."""
    if not os.path.exists(os.path.join(os.path.dirname(caulk), "libcaulk_agent.so")):
        pytest.fail("no libcaulk_agent.so beside %s: build it first" % caulk, pytrace=False)


@pytest.fixture
def script(tmp_path):
    def write(text, name="program.py"):
        file = tmp_path / name
        file.write_text(textwrap.dedent(text).lstrip())
        return str(file)
    return write


def usual_signals():
    """A test that runs in the background inherits that Ctrl-C is ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)


class Run:
    def __init__(self, caulk, python, tmp_path, *words, **more):
        self.json = tmp_path / "report.json"
        self.log = tmp_path / "stderr.txt"
        options = ["--python", python] if python else []
        self.command = [caulk, "run", "--json", str(self.json), *options, *map(str, words)]
        environment = {**os.environ, "TMPDIR": str(tmp_path / "tmp"), "PYTHONUNBUFFERED": "1", **more.pop("env", {})}
        (tmp_path / "tmp").mkdir(exist_ok=True)
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment,
                                            start_new_session=True, preexec_fn=usual_signals, **more)
        self.folder = tmp_path / "tmp"

    def wait_for(self, text):
        line = self.process.stdout.readline()
        assert line.strip() == text, (line, self.errors())

    def finish(self, timeout=60):
        """Its exit status; a signal is negative, as subprocess has it."""
        try:
            self.stdout, _ = self.process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.communicate()
            raise
        assert os.listdir(self.folder) == [], "what caulk run makes in TMPDIR goes with it"
        return self.process.returncode

    def errors(self):
        return self.log.read_text()

    def report(self):
        return json.loads(self.json.read_text())


@pytest.fixture
def start(caulk, agent, newest_python, tmp_path):
    runs = []

    def begin(*words, python=newest_python, **more):
        runs.append(Run(caulk, python, tmp_path, *words, **more))
        return runs[-1]

    yield begin
    for run in runs:
        if run.process.poll() is None:
            os.killpg(run.process.pid, signal.SIGKILL)
            run.process.communicate()


def line_of(path, mark):
    with open(path) as stream:
        for number, text in enumerate(stream, 1):
            if text.rstrip().endswith("# " + mark):
                return number
    raise AssertionError("no line marked %r" % mark)


def lines_at(part, path, number, key="lines"):
    return [line for line in part[key] if line["file"] == path and line["line"] == number]


KEEPER = """
    KEPT = []
    def keep():
        for number in range(%d):
            KEPT.append(bytes(%d))  # kept
    def waste():
        for number in range(%d):
            bytes(%d)  # wasted
    waste()
    keep()
    waste()
""" % (BLOCKS, BLOCK, BLOCKS, BLOCK)


# ---- the program is itself ----------------------------------------------------------------------------


@pytest.mark.parametrize("status", [0, 1, 3, 70, 255])
def test_the_exit_status_is_the_programs(start, script, status):
    run = start(script("import sys; sys.exit(%d)" % status))
    assert run.finish() == status
    assert run.report()["exit_status"] == status and run.report()["signal"] is None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV])
def test_a_signal_that_ends_the_program_ends_caulk(start, script, number):
    run = start(script("import os, signal; os.kill(os.getpid(), %d)" % number))
    assert run.finish() == -number
    assert run.report()["signal"] == number and run.report()["exit_status"] is None


WORDS = ["--json", "-o", "", "a b", "--", "-m", "é*$x", "--interval=3"]


def test_words_after_the_program_are_its_own(start, script):
    run = start("--", script("import json, sys; print(json.dumps(sys.argv[1:]))"), *WORDS)
    assert run.finish() == 0 and json.loads(run.stdout) == WORDS


def test_a_module_and_code(start, script, tmp_path):
    script("import json, sys; print(json.dumps([__name__] + sys.argv[1:]))", "some_module.py")
    run = start("-m", "some_module", "-c", "x", cwd=tmp_path)
    assert run.finish() == 0 and json.loads(run.stdout) == ["__main__", "-c", "x"]
    run = start("-c", "import sys; print(sys.argv[1:])", "-m", "--quiet", cwd=tmp_path)
    assert run.finish() == 0 and run.stdout == "['-m', '--quiet']\n"


def test_options_of_python_come_after_two_dashes(start, script):
    run = start("--", "-X", "dev", "-W", "error", script("import sys; print(sys.flags.dev_mode, sys.warnoptions[-1])"))
    assert run.finish() == 0 and run.stdout == "True error\n"


def test_a_script_with_a_line_that_names_its_python(start, script, newest_python, tmp_path):
    path = script("#!%s\nimport sys; print(sys.argv[1])\n" % newest_python, "tool")
    os.chmod(path, 0o755)
    run = start("tool", "it ran", python=None, env={"PATH": "%s:%s" % (tmp_path, os.environ["PATH"])})
    assert run.finish() == 0 and run.stdout == "it ran\n"
    assert [part["command"] for part in run.report()["processes"]]


def test_quiet_says_nothing(caulk, agent, newest_python, script):
    path = script("import sys; print('out'); print('err', file=sys.stderr); sys.exit(4)")
    done = subprocess.run([caulk, "run", "--quiet", "--python", newest_python, path], capture_output=True, text=True,
                          timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (4, "out\n", "err\n")


def test_what_is_no_python_runs_and_is_told(start):
    run = start("sh", "-c", "exit 5", python=None)
    assert run.finish() == 5
    assert run.report()["processes"] == [] and "no Python was seen" in run.report()["notes"][0]


@pytest.mark.parametrize("words, status, message", [
    (["no-such-program-anywhere"], 66, "no program no-such-program-anywhere in PATH"),
    (["./no/such/file"], 66, "No such file"),
    (["--python", "/no/such/python", "app.py"], 66, "/no/such/python"),
    (["--python", sys.executable, "ls"], 64, "--python is for scripts"),
    (["--interval", "0", "app.py"], 64, "--interval"),
    (["--budget", "101", "app.py"], 64, "--budget"),
    ([], 64, "too few words"),
])
def test_what_cannot_be_started_is_said_in_one_line(caulk, agent, words, status, message):
    done = subprocess.run([caulk, "run", *words], capture_output=True, text=True, timeout=60)
    assert done.returncode == status and message in done.stderr and done.stderr.count("\n") == 1


# ---- signals --------------------------------------------------------------------------------------------


def test_signals_to_caulk_are_the_programs(start, script):
    run = start(script("""
        import signal, sys, time
        seen = []
        def take(number, frame):
            seen.append(number)
            if number == signal.SIGTERM:
                print(seen)
                sys.exit(9)
        for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGTERM):
            signal.signal(number, take)
        print("ready")
        while True:
            time.sleep(0.05)
    """))
    run.wait_for("ready")
    for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGTERM):
        os.kill(run.process.pid, number)
        time.sleep(0.3)
    assert run.finish() == 9
    assert run.stdout == "[%d, %d, %d]\n" % (signal.SIGHUP, signal.SIGUSR1, signal.SIGTERM)


def test_ctrl_c_on_a_terminal_comes_once_and_the_report_is_printed(caulk, agent, newest_python, script, tmp_path):
    """A terminal signals the whole group, which caulk must not repeat."""
    import pty
    path = script("""
        import time
        count = 0
        for attempt in range(300):
            try:
                if not attempt:
                    print("ready", flush=True)
                time.sleep(0.05)
                if count:
                    count += 1
                if count > 10:
                    break
            except KeyboardInterrupt:
                count += 1
                print("interrupted", flush=True)
    """)
    pid, terminal = pty.fork()
    if pid == 0:
        usual_signals()
        os.execv(caulk, [caulk, "run", "--python", newest_python, path])
    seen = b""
    try:
        while b"ready" not in seen:
            seen += os.read(terminal, 4096)
        os.write(terminal, b"\x03")
        while True:
            try:
                part = os.read(terminal, 4096)
            except OSError:
                break
            if not part:
                break
            seen += part
    finally:
        _, status = os.waitpid(pid, 0)
        os.close(terminal)
    assert seen.count(b"interrupted") == 1 and b"PEAK" in seen
    assert os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0


def test_an_interrupted_program_ends_caulk_the_same_way(start, script):
    run = start(script("import time; print('ready'); time.sleep(60)"))
    run.wait_for("ready")
    os.kill(run.process.pid, signal.SIGINT)
    assert run.finish() == -signal.SIGINT
    assert "KeyboardInterrupt" in run.errors() and "PEAK" in run.errors()


def test_a_report_while_it_runs(start, script):
    run = start("--every-byte", "--watch", "0", script("KEPT = [bytes(10000) for number in range(300)]  # kept\n"
                                       "print('ready')\nimport time\ntime.sleep(60)\n"))
    run.wait_for("ready")
    os.kill(run.process.pid, signal.SIGUSR2)
    for attempt in range(150):
        if run.json.exists():
            break
        time.sleep(0.2)
    report = run.report()
    assert report["ended"] is False and report["processes"][0]["live_bytes"] > 300 * 10000
    assert "still running" in run.errors()
    os.kill(run.process.pid, signal.SIGTERM)
    assert run.finish() == -signal.SIGTERM and run.report()["ended"] is True


# ---- what it tells --------------------------------------------------------------------------------------


def test_every_byte_of_a_line(start, script):
    path = script(KEEPER)
    run = start("--every-byte", path)
    assert run.finish() == 0
    part, = run.report()["processes"]
    assert part["exact"] is True
    kept, = lines_at(part, path, line_of(path, "kept"))
    size = bytes(BLOCK).__sizeof__()
    # The list's own table grows on this line too, to 9/8 of what it must hold; calls make a tuple of arguments.
    assert BLOCKS <= kept["peak_count"] <= BLOCKS + 2
    assert BLOCKS * size <= kept["peak_bytes"] <= BLOCKS * size + 16 * BLOCKS
    wasted, = lines_at(part, path, line_of(path, "wasted"))
    assert 2 * BLOCKS <= wasted["total_count"] <= 4 * BLOCKS + 2
    assert 2 * BLOCKS * size <= wasted["total_bytes"] <= 2 * BLOCKS * (size + 64)
    assert wasted["peak_count"] <= 2
    assert part["peak_bytes"] > BLOCKS * size
    assert part["own_lines"][0]["line"] == line_of(path, "kept")


def test_samples_estimate_it(start, script):
    path = script(KEEPER)
    run = start("--interval", "4096", "--budget", "100", path)
    assert run.finish() == 0
    part, = run.report()["processes"]
    kept, = lines_at(part, path, line_of(path, "kept"))
    assert part["exact"] is False and 0.8 < kept["peak_bytes"] / (BLOCKS * BLOCK) < 1.2
    assert part["own_lines"][0]["line"] == line_of(path, "kept")
    assert "estimates from" in run.errors()


def test_a_killed_program_leaves_its_numbers(start, script):
    path = script(KEEPER + "    import os, signal; os.kill(os.getpid(), signal.SIGKILL)\n")
    run = start("--every-byte", path)
    assert run.finish() == -signal.SIGKILL
    kept, = lines_at(run.report()["processes"][0], path, line_of(path, "kept"))
    assert kept["live_count"] >= BLOCKS


def test_the_verdict_has_the_lines(start, script):
    path = script("""
        import time
        class Session:
            def __init__(self, number):
                self.number = number
                self.data = bytearray(3000)  # made
        STORE = {}
        def put(number):
            STORE[number] = Session(number)  # put
        number, end = 0, time.time() + 14
        while time.time() < end:
            put(number)
            number += 1
            time.sleep(0.002)
    """)
    run = start("--watch", "1", "--interval", "16384", "--budget", "100", path)
    assert run.finish() == 0
    verdict = run.report()["processes"][0]["verdict"]
    assert verdict and verdict["verdict"] == "leak", run.errors()
    finding = verdict["findings"][0]
    assert finding["holder"]["path"] == "__main__.STORE"
    allocated = finding["allocated_at"][0]
    assert (allocated["file"], allocated["line"]) == (path, line_of(path, "made")) and allocated["share"] > 0.7
    written = finding["written_by"][0]
    assert (written["file"], written["line"]) == (path, line_of(path, "put"))
    assert "LEAK" in run.errors() and "written by" in run.errors()


def test_a_short_program_says_why_there_is_no_verdict(start, script):
    run = start(script("pass"))
    assert run.finish() == 0
    part, = run.report()["processes"]
    assert part["verdict"] is None and "snapshots" in part["no_verdict"]


# ---- children -------------------------------------------------------------------------------------------


CHILDREN = """
    import multiprocessing, os, sys
    def work(number):
        kept = [bytes(10000) for index in range(200)]  # child
        return len(kept)
    if __name__ == "__main__":
        with multiprocessing.get_context(sys.argv[1]).Pool(2) as pool:
            print(sum(pool.map(work, range(4))))
            pool.close()
            pool.join()
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing(start, script, method):
    path = script(CHILDREN)
    run = start("--every-byte", "--watch", "0", path, method)
    assert run.finish(90) == 0 and run.stdout == "800\n"
    report = run.report()
    made = [sum(line["total_bytes"] for line in lines_at(part, path, line_of(path, "child")))
            for part in report["processes"]]
    assert len(made) >= 3 and sum(made) >= 800 * 10000
    assert made[0] == 0, "the parent did none of the work"
    together = sum(line["total_bytes"] for line in lines_at(report["together"], path, line_of(path, "child")))
    assert together == sum(made)


def test_a_program_that_another_one_starts(start, script):
    path = script("import subprocess, sys\n"
                  "subprocess.run([sys.executable, '-c', 'x = [bytes(5000) for n in range(500)]'], check=True)\n")
    run = start("--every-byte", path)
    assert run.finish() == 0
    totals = {part["pid"]: part["total_bytes"] for part in run.report()["processes"]}
    parents = {part["pid"]: part["parent"] for part in run.report()["processes"]}
    child = next(pid for pid, parent in parents.items() if parent in totals)
    assert totals[child] > 500 * 5000


def test_gunicorn(start, tmp_path):
    """Two workers: each has its own numbers, and the master's end is the program's."""
    import socket
    import urllib.request
    (tmp_path / "shop.py").write_text(textwrap.dedent("""
        KEPT = []
        def application(environ, start_response):
            KEPT.append(bytes(20000))  # kept
            start_response("200 OK", [("Content-Type", "text/plain")])
            return [b"%d" % len(KEPT)]
    """))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    python = pythons.need("3.11")
    gunicorn = os.path.join(os.path.dirname(pythons.with_programs(python)), "gunicorn")
    run = start("--every-byte", "--watch", "0", gunicorn, "-w", "2", "-b", "127.0.0.1:%d" % port, "--no-control-socket",
                "shop:application", python=None, cwd=tmp_path)
    url = "http://127.0.0.1:%d/" % port
    for attempt in range(200):
        try:
            urllib.request.urlopen(url, timeout=5).read()
            break
        except OSError:
            assert run.process.poll() is None, run.errors()
            time.sleep(0.1)
    for request in range(100):
        urllib.request.urlopen(url, timeout=10).read()
    os.kill(run.process.pid, signal.SIGTERM)
    assert run.finish() == 0, run.errors()
    report = run.report()
    assert len(report["processes"]) == 3
    shop = str(tmp_path / "shop.py")
    kept = sum(line["live_count"] for part in report["processes"] for line in lines_at(part, shop, 4))
    assert kept >= 101


# ---- lines and recordings -------------------------------------------------------------------------------


def test_a_recording_is_kept_and_read_again(caulk, start, script, tmp_path):
    path, kept = script(KEEPER), tmp_path / "kept.rec"
    run = start("--every-byte", "-o", kept, path)
    assert run.finish() == 0 and run.report()["recording"] == str(kept)
    assert os.stat(kept).st_mode & 0o777 == 0o600
    done = subprocess.run([caulk, "lines", str(kept), "--json", "-"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and done.stderr == ""
    file, = [one for one in json.loads(done.stdout)["files"] if one["file"] == path]
    line, = [one for one in file["lines"] if one["line"] == line_of(path, "kept")]
    assert line["total_count"] >= BLOCKS and line["text"].strip().startswith("KEPT.append")
    data = kept.read_bytes()
    for name, bad in (("short", data[:len(data) // 2]), ("flipped", data[:200] + bytes([data[200] ^ 255]) + data[201:])):
        (tmp_path / name).write_bytes(bad)
        done = subprocess.run([caulk, "lines", str(tmp_path / name)], capture_output=True, text=True, timeout=60)
        assert done.returncode == 65 and done.stderr.count("\n") == 1, (name, done)


def test_lines_of_a_script(caulk, agent, newest_python, script):
    path = script(KEEPER + "    print('its own output')\n")
    done = subprocess.run([caulk, "lines", "--python", newest_python, path], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and done.stderr == ""
    output, table = done.stdout.split("\n", 1)
    assert output == "its own output"
    row = next(line for line in table.splitlines() if "KEPT.append" in line)
    assert "2.9 MiB" in row and " %d  " % line_of(path, "kept") in row


def test_library_code_counts_for_the_line_that_called_it(caulk, agent, newest_python, script):
    path = script("import json\nDATA = [str(number) * 10 for number in range(20000)]\nTEXT = json.dumps(DATA, indent=1)  # text\n")
    done = subprocess.run([caulk, "lines", "--json", "-", "--python", newest_python, path], capture_output=True, text=True,
                          timeout=60)
    file = json.loads(done.stdout)["files"][0]
    assert file["file"] == path
    text, = [line for line in file["lines"] if line["line"] == line_of(path, "text")]
    assert text["live_bytes"] > 20000 * 10


def test_lines_passes_the_end_on(caulk, agent, newest_python, script):
    path = script("import sys; x = [1] * 5000; sys.exit(6)")
    assert subprocess.run([caulk, "lines", "--python", newest_python, path], capture_output=True, timeout=60).returncode == 6
