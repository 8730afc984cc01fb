"""Looks at something again and again, on a thread of its own."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence

from app.platform.shutdown import Shutdown

logger = logging.getLogger(__name__)


class PeriodicThread:
    """Calls each of `callbacks` every so many seconds until the application stops."""

    def __init__(
        self,
        *,
        name: str,
        callbacks: Sequence[Callable[[], object]],
        every_s: float,
        shutdown: Shutdown,
    ) -> None:
        self._name = name
        self._callbacks = callbacks
        self._every_s = every_s
        self._shutdown = shutdown
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
        while not self._shutdown.wait(self._every_s):
            for look in self._callbacks:
                try:
                    look()
                except Exception:
                    logger.exception("%s: a look failed", self._name)
            self._looked_at_s = time.monotonic()
