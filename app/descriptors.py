"""How many files and connections this process may have open at once, and for what."""

from __future__ import annotations

import logging
import resource
from collections.abc import Callable

logger = logging.getLogger(__name__)

KEPT = 768
"""For servers, the database, files and requests to the VTN, whatever else there is."""
MOST = 65_536
Limits = tuple[int, int]
"""Soft and hard, as RLIMIT_NOFILE has them; -1: none."""


def _limits() -> Limits:
    return resource.getrlimit(resource.RLIMIT_NOFILE)


def _limit(limits: Limits) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)


class Descriptors:
    """Raises the soft limit as far as connections need it and the system lets it."""

    def __init__(
        self, *, limits: Callable[[], Limits] = _limits, limit: Callable[[Limits], None] = _limit
    ) -> None:
        self._limits = limits
        self._limit = limit

    def room_for(self, connections: int) -> int:
        """How many connections that last there may be, if so many are wanted."""
        soft, hard = self._limits()
        wanted = min(connections + KEPT, MOST, MOST if hard == resource.RLIM_INFINITY else hard)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            try:
                self._limit((wanted, hard))
                soft = wanted
            except (OSError, ValueError) as error:  # macOS has a lower limit than its hard one
                logger.debug("the limit of open files stays at %d: %s", soft, error)
        most = MOST if soft == resource.RLIM_INFINITY else soft
        return max(0, min(connections, most - KEPT))
