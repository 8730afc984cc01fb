"""Looks at something again and again, on a thread of its own."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence

from app.platform.shutdown import Stopping

logger = logging.getLogger(__name__)


class Watch:
    """Calls each of `looks` every so many seconds until the application stops."""

    def __init__(
        self,
        *,
        name: str,
        looks: Sequence[Callable[[], object]],
        every_s: float,
        stopping: Stopping,
    ) -> None:
        self._name = name
        self._looks = looks
        self._every_s = every_s
        self._stopping = stopping
        self._thread: threading.Thread | None = None
        self._looked_at_s = time.monotonic()

    def start(self) -> None:
        """Begin to look."""
        self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        self._thread.start()

    def close(self, timeout_s: float = 1.0) -> None:
        """After the stop began: wait for the last look, but not long. May be called again."""
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.join(timeout_s)

    @property
    def idle_s(self) -> float:
        """How long ago it last looked."""
        return time.monotonic() - self._looked_at_s

    def _run(self) -> None:
        while not self._stopping.wait(self._every_s):
            for look in self._looks:
                try:
                    look()
                except Exception:
                    logger.exception("%s: a look failed", self._name)
            self._looked_at_s = time.monotonic()
