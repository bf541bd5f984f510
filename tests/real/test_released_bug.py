"""A leak that was really released: aiohttp 3.10.10 keeps one chain of middlewares for each request that matches no route
(GHSA-27mf-ghqm-j3j8); 3.10.11 does not. The same service, the same load, either release."""
import os
import time

import load as loads
import pytest
import pythons
import target as targets
import verdict as verdicts

HERE = os.path.dirname(os.path.abspath(__file__))


def start(target, release):
    """(process, port) of the service with this release of aiohttp, on the Python that it was made for."""
    executable = pythons.need("3.11")
    try:
        python = pythons.environment(executable, os.path.join(HERE, "requirements-%s.txt" % release), "aiohttp-" + release)
    except RuntimeError as error:
        pytest.skip("cannot install aiohttp: %s" % error)
    process = target([python, os.path.join(HERE, "gateway.py")])
    return process, int(process.greeting.split()[1])


def watch(caulk, process, port):
    """The verdict while requests for unknown pages come in, and what they cost in resident KiB per request."""
    with loads.Load(port, lambda number: "/unknown/%d" % number, pause=0.002) as load:
        while load.answered < 1500:
            time.sleep(0.05)
            assert not load.failures, load.failures[:3]
        resident, answered = targets.resident_kib(process.pid), load.answered
        verdict = verdicts.leaks(caulk, process.pid, 8)
        grown = (targets.resident_kib(process.pid) - resident) / (load.answered - answered)
    assert set(load.statuses) == {404} and not load.failures, (load.statuses, load.failures[:3])
    assert process.alive() and not process.errors(), process.errors()
    return verdict, grown


def test_the_cache_of_the_released_version_is_named(caulk, target):
    process, port = start(target, "bug")
    verdict, grown = watch(caulk, process, port)
    words = verdicts.summary(verdict)
    assert grown > 1, "the release no longer shows its leak: %.2f KiB per request" % grown
    assert verdict["verdict"] == "leak", words
    first = verdict["findings"][0]
    assert first["kind"] == "unbounded-cache", words
    assert verdicts.in_order(["aiohttp.web_app", "_build_middlewares"], verdicts.path_of(first)), words


def test_the_repaired_version_is_silent(caulk, target):
    process, port = start(target, "fixed")
    verdict, grown = watch(caulk, process, port)
    assert verdict["verdict"] == "no-leak", "%.2f KiB per request\n%s" % (grown, verdicts.summary(verdict))
