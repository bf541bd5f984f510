"""Run caulk and read what it says."""
import json
import os
import subprocess

NO_LEAK, LEAK, INCONCLUSIVE = 0, 1, 2


class Result:
    def __init__(self, command, status, stdout, stderr):
        self.command, self.status, self.stdout, self.stderr = command, status, stdout, stderr

    def __str__(self):
        return "%s -> status %d\nstdout: %s\nstderr: %s" % (" ".join(self.command), self.status,
                                                           self.stdout[-6000:], self.stderr[-3000:])

    def json(self):
        try:
            return json.loads(self.stdout)
        except ValueError as error:
            raise AssertionError("no JSON (%s) from %s" % (error, self)) from None


def run(caulk, *arguments, timeout=120, expect=None, env=None):
    """Runs caulk with these arguments; `expect` are the exit statuses that are right."""
    command = [caulk] + [str(argument) for argument in arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, errors="replace",
                          env=dict(os.environ, **(env or {})))
    result = Result(command, done.returncode, done.stdout, done.stderr)
    if expect is not None and result.status not in expect:
        raise AssertionError("exit status %d, not %s: %s" % (result.status, expect, result))
    return result


def leaks(caulk, pid, seconds, **more):
    """The JSON verdict of `caulk leaks`, with the exit status checked against it."""
    result = run(caulk, "leaks", pid, "--seconds", seconds, "--json", "-", timeout=seconds + 90, **more)
    if result.status not in (NO_LEAK, LEAK, INCONCLUSIVE):
        raise AssertionError("no verdict: %s" % result)
    verdict = result.json()
    word = {NO_LEAK: "no-leak", LEAK: "leak", INCONCLUSIVE: "inconclusive"}[result.status]
    if verdict["verdict"] != word:
        raise AssertionError("status %d but verdict %r: %s" % (result.status, verdict["verdict"], result))
    return verdict


def path_of(finding):
    return (finding.get("holder") or {}).get("path") or ""


def in_order(tokens, text):
    """Whether all tokens occur in text, one after the other."""
    position = 0
    for token in tokens:
        position = text.find(token, position)
        if position < 0:
            return False
        position += len(token)
    return True


def summary(verdict):
    """The verdict in a few lines, for the message of a failed test."""
    lines = ["verdict %s" % verdict["verdict"]]
    for finding in verdict.get("findings", []):
        lines.append("  %(rank)s %(kind)s: %(title)s" % finding + " | path " + path_of(finding) + " | grows "
                     + ", ".join("%(type)s x %(count)s" % grown for grown in finding.get("grows", [])[:4]))
    for other in verdict.get("not_leaks", []):
        lines.append("  not a leak, %(kind)s: %(title)s" % other)
    lines.append("  growth %s, snapshots %s" % (verdict.get("growth"), verdict.get("window")))
    return "\n".join(lines)
