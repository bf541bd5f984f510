"""The console command: the program itself, with this Python as the one that scripts run by."""
import os
import sys

from caulk.program import CaulkError, path


def main():
    try:
        program = path()
    except CaulkError as error:
        sys.exit(str(error))
    os.environ.setdefault("CAULK_PYTHON", sys.executable)
    sys.stdout.flush()
    os.execv(program, [program] + sys.argv[1:])


if __name__ == "__main__":
    main()
