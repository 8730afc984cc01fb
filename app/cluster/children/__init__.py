"""Processes that end with the one that began them; it imports little, as who uses it has to."""

import os
import sys
from pathlib import Path

SCRIPT = Path(__file__).with_name("dies_with_parent.py")


def ends_with_this_process(*command: str) -> list[str]:
    """The command, which the kernel ends with the thread that begins it: that has to last as long.
    `command[0]` is a path."""
    return [sys.executable, "-I", str(SCRIPT), str(os.getpid()), *command]


__all__ = ["ends_with_this_process"]
