"""The one deadline of a stop, consulted by everything that waits or repeats."""

from __future__ import annotations

import threading
import time

STOP_DEADLINE_S = 7.0
RESERVE_S = 2.0
"""Of the deadline, for the servers and the database."""
WAKES_EVERY_S = 0.25


class Shutdown:
    """An event that, once set, counts down.

    `deadline_s`: how long the whole stop may take.
    """

    def __init__(self, *, deadline_s: float = STOP_DEADLINE_S) -> None:
        self._event = threading.Event()
        self._deadline_s = deadline_s
        self._set_at_s = 0.0
        self.failed = False
        """Whether something went wrong, so that nothing more may be sent."""

    def fail(self) -> None:
        """Begin to stop, since something went wrong: nothing more may be sent."""
        self.failed = True
        self.set()

    def set(self) -> None:
        """Begin to stop; the deadline runs from the first call."""
        if not self._event.is_set():
            self._set_at_s = time.monotonic()
            self._event.set()

    def is_set(self) -> bool:
        return self._event.is_set()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait for the stop to begin, at most so long; True once it has."""
        if timeout_s is not None:
            return self._event.wait(timeout_s)
        # Python runs a signal's handler on the main thread, which a signal does not wake where
        # the system delivered it to another thread: it wakes by itself now and then.
        while not self._event.wait(WAKES_EVERY_S):
            pass
        return True

    def remaining_for_work_s(self) -> float:
        """Seconds for what is optional: until the deadline, but for what servers and the database
        need."""
        return max(self.remaining_s() - RESERVE_S, 0.0)

    def remaining_s(self) -> float:
        """Seconds until the deadline; the whole of it while nothing stops."""
        if not self.is_set():
            return self._deadline_s
        return max(self._set_at_s + self._deadline_s - time.monotonic(), 0.0)
