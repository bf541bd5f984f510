"""Where the build is that the tests are of."""
import os

import pytest

import pythons

FOLDER = os.environ.get("CAULK_BUILD") or os.path.dirname(os.environ.get("CAULK", "")) or os.path.join(pythons.ROOT, "build")


def find(variable, *names, mode=os.X_OK):
    """Path of what is named in $`variable`, else of these `names` in the build folder."""
    path = os.environ.get(variable) or os.path.join(FOLDER, *names)
    if not os.access(path, mode):
        pytest.fail("no %s: build it first (make), or name it in $%s" % (path, variable), pytrace=False)
    return os.path.abspath(path)
