"""Waiting for a condition, and never for a time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

MAX_WAIT_S = 20.0


def wait_until(
    condition: Callable[[], object],
    *,
    timeout_s: float = MAX_WAIT_S,
    look_every_s: float = 0.01,
    otherwise: Callable[[], str] = lambda: "the condition did not come to hold in time",
) -> None:
    """Return as soon as the condition holds; fail, with these words, if it does not in time."""
    pause = threading.Event()
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline_s, otherwise()
        pause.wait(look_every_s)
