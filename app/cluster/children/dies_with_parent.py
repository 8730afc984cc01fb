"""A script that becomes the command it is given, which the kernel ends with whoever started it.

`python -I dies_with_parent.py PID COMMAND ...`, with the process id of the starter. What the kernel
looks at is the thread that started it, which has to last as long.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Does not return."""
    parent, *command = sys.argv[1:]
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(parent):
        sys.exit(f"process {parent} ended before {command[0]} began")
    os.execv(command[0], command)  # nosec B606


if __name__ == "__main__":
    main()
