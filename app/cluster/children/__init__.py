"""Processes that end with the one that began them; it imports little, as who uses it has to."""

import os
import signal
import sys
from pathlib import Path

SCRIPT = Path(__file__).with_name("dies_with_parent.py")


def ends_with_this_process(*command: str, by: signal.Signals = signal.SIGKILL) -> list[str]:
    """The command, which gets the signal `by` from the kernel when the thread that begins it ends:
    that has to last as long. `command[0]` is a path."""
    return [sys.executable, "-I", str(SCRIPT), str(os.getpid()), str(by.value), *command]


__all__ = ["ends_with_this_process"]
