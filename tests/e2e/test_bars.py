"""What takes long shows how far it has come, to whoever sits at a terminal."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

UP_AND_ERASED = "\x1b[1A\x1b[2K"
ENVIRONMENT = {"PATH": os.environ["PATH"], "TERM": "xterm-256color", "COLUMNS": "100"}
SEED = (sys.executable, "-m", "app", "fleet", "seed", "--vens", "500")


def on_a_terminal(directory: Path) -> str:
    """What a terminal shows while a fleet is seeded."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(SEED, cwd=directory, env=ENVIRONMENT, stdout=theirs, stderr=theirs):
        os.close(theirs)
        shown = bytearray()
        while part := read(ours):
            shown += part
    os.close(ours)
    return shown.decode()


def read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65_536)
    except OSError:  # Linux's way to say that nobody is at the other end
        return b""


def test_a_terminal_shows_a_bar_with_a_rate_and_keeps_nothing_of_it(tmp_path: Path) -> None:
    shown = on_a_terminal(tmp_path)

    assert "━" in shown
    assert " resources/s" in shown
    assert shown.rstrip().endswith("500 VENs, 10000 new resources")
    assert UP_AND_ERASED in shown[shown.rindex("━") :], "the bar is gone"
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l"), "the cursor is there again"


def test_elsewhere_there_is_no_bar(tmp_path: Path) -> None:
    done = subprocess.run(
        SEED, cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, check=True
    )

    assert done.stdout == "500 VENs, 10000 new resources\n"
    assert "━" not in done.stderr
