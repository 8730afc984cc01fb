"""Ends a run that has lost its lock."""

from __future__ import annotations

import logging
from collections.abc import Callable

from app.platform import DatabaseError, SharedSessionsError, Shutdown

logger = logging.getLogger(__name__)


class RunLockGuard:
    """Stops the application when `lost` says why it must stop."""

    def __init__(self, *, lost: Callable[[], str | None], shutdown: Shutdown) -> None:
        self._lost = lost
        self._shutdown = shutdown

    def __call__(self) -> None:
        """Look; to be called every few seconds."""
        if self._shutdown.is_set():
            return
        try:
            why = self._lost()
        except SharedSessionsError as error:
            why = str(error)
        except DatabaseError as error:
            logger.debug("whether this run still has its database is not known: %s", error)
            return
        if why is not None:
            logger.error("%s; this run stops", why)
            self._shutdown.fail()
