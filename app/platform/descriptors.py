"""How many files and connections this process may have open at once, and for what."""

from __future__ import annotations

import logging
import resource
from collections.abc import Callable

logger = logging.getLogger(__name__)

RESERVE = 768
"""Of servers, the database, files and requests to the VTN, whatever else there is."""
MAX_LIMIT = 65_536
Limits = tuple[int, int]
"""Soft and hard, as RLIMIT_NOFILE has them; -1: none."""


def read_limits() -> Limits:
    """Of this process."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)


def set_limits(limits: Limits) -> None:
    """Of this process. OSError or ValueError where the system does not let it."""
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)


class Descriptors:
    """Raises the soft limit as far as connections need it and the system lets it."""

    def __init__(
        self,
        *,
        read: Callable[[], Limits] = read_limits,
        set_: Callable[[Limits], None] = set_limits,
    ) -> None:
        self._read = read
        self._set = set_

    def room_for(self, connections: int) -> int:
        """How many connections that last there may be, if so many are wanted."""
        soft, hard = limits = self._read()
        most = MAX_LIMIT if hard == resource.RLIM_INFINITY else min(hard, MAX_LIMIT)
        wanted = min(connections + RESERVE, most)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            try:
                self._set((wanted, hard))
                soft = wanted
            except (OSError, ValueError) as error:  # macOS has a lower limit than its hard one
                logger.debug("the limits of open files stay at %s: %s", limits, error)
        if soft == resource.RLIM_INFINITY:
            soft = MAX_LIMIT
        return max(0, min(connections, soft - RESERVE))
