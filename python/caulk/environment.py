"""CAULK=1 in the environment: imported by caulk_start.pth when Python starts. Never keeps a program from starting."""
import os
import sys


def begin(words):
    from caulk.agent import start_with

    try:
        start_with(words if "=" in words else "")
    except Exception as error:
        print("caulk: CAULK=%s: %s" % (words, error), file=sys.stderr)


if "CAULK_AGENT" not in os.environ:  # under caulk run it has begun, with the options of that
    begin(os.environ.get("CAULK", "0"))
