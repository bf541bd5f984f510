"""Programs linked with musl, as in Alpine's containers: the reader needs no C library, the sampler starts with them."""
import shutil
import subprocess

import pytest

import deploy
import pythons

MUSL = "3.13m"


@pytest.fixture(scope="module")
def musl_python():
    return pythons.need_fetched(MUSL, "CAULK_PYTHON_3_13m")


@pytest.fixture(scope="module")
def compiler():
    if not shutil.which("musl-gcc"):
        pytest.skip("NOT TESTED: no musl-gcc here: install musl-tools")
    return "musl-gcc"


PROGRAM = r"""
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
static void *work(void *word) {
    for (int i = 0; i < 1000; i++)
        free(realloc(malloc(100 + i), 50000));
    return word;
}
int main(void) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, work, "worked") || pthread_join(thread, NULL))
        return 1;
    pid_t child = fork();
    if (child == 0)
        _exit(work(NULL) != NULL);
    int status = 1;
    waitpid(child, &status, 0);
    printf("hello from %s\n", status ? "a child that failed" : "both");
    return 7;
}
"""


@pytest.mark.parametrize("how", ["-pie", "-static"])
@pytest.mark.parametrize("options", [[], ["--every-byte", "--native"]], ids=["python", "native"])
def test_a_program_starts_with_the_sampler(caulk, compiler, tmp_path, how, options):
    """Its loader ends a program when a library asks for what it has not."""
    (tmp_path / "program.c").write_text(PROGRAM)
    subprocess.run([compiler, how, "-pthread", "-o", tmp_path / "program", tmp_path / "program.c"], check=True)
    done = subprocess.run([caulk, "run", *options, tmp_path / "program"], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (7, "hello from both\n"), done
    assert "Error relocating" not in done.stderr


def test_a_python_is_read(caulk, target, musl_python, tmp_path):
    process = target([musl_python, "-c", deploy.program()])
    with open("/proc/%d/maps" % process.pid) as stream:
        assert "musl" in stream.read()
    deploy.check_visit(caulk, process, tmp_path)


def test_a_leak_is_found(caulk, target, musl_python, tmp_path):
    grow = "ORDERS = []\nprint('ready', flush=True)\nwhile True:\n    ORDERS.append([Session(0)] * 500)\n    time.sleep(0.002)\n"
    process = target([musl_python, "-c", deploy.program(grow)])
    verdict = deploy.call(caulk, "leaks", process.pid, "--seconds", "8", "--json", "-", status=1).stdout
    assert '"__main__.ORDERS"' in verdict
    assert process.alive() and process.errors() == ""


def test_what_a_program_allocates_is_told_by_line(caulk, musl_python, tmp_path):
    script = tmp_path / "script.py"
    script.write_text("kept = []\nfor _ in range(2000):\n    kept.append(bytes(5000))\nraise SystemExit(5)\n")
    done = subprocess.run([caulk, "run", "--every-byte", "--python", musl_python, script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 5, done
    peak = done.stderr.partition("PEAK")[2].partition("\n\n")[0].splitlines()
    assert str(script) + ":3" in peak[1], done.stderr


def test_a_running_program_gets_no_sampler(caulk, target, musl_python):
    """Musl gives no thread-local storage of the first kind to a library that comes later."""
    process = target([musl_python, "-c", "import time\nprint('ready', flush=True)\nwhile True:\n    time.sleep(0.001)\n"])
    said = deploy.call(caulk, "attach", process.pid, status=69, notes=1).stderr
    assert "musl" in said and "caulk run" in said
    assert process.alive() and process.errors() == ""
