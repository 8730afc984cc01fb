"""The process of a keeper: it waits for the lease, and looks again and again while it has it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Protocol

from app.cluster.engine.errors import EngineError, NewHeadError
from app.cluster.engine.rounds import Rounds
from app.platform import DatabaseError, LogOnce, Shutdown

logger = logging.getLogger(__name__)
LOOKS_EVERY_S = 0.5


class Lease(Protocol):
    """The right to look after the shards."""

    def acquire(self) -> None: ...

    def lost(self) -> str | None: ...

    def is_certain(self) -> bool: ...

    def release(self) -> None: ...


class Keeping:
    """Calls `keeper` again and again. Building it does no I/O."""

    def __init__(self, *, lease: Lease, shutdown: Shutdown, log_once: LogOnce) -> None:
        self._lease = lease
        self._shutdown = shutdown
        self._log_once = log_once

    def run(self, keeper: Callable[[], None], rounds: Rounds) -> bool:
        """Until the shutdown; False: the process has to begin anew. RunLockError, DatabaseError.

        After an error `rounds` go on, since the end of the process may hang, too.
        """
        self._lease.acquire()
        rounds.begin()  # however long the lease was waited for
        rounds.start()
        try:
            is_done = self._go_on(keeper, rounds)
        finally:
            self._lease.release()
        rounds.end()
        return is_done

    def _go_on(self, keeper: Callable[[], None], rounds: Rounds) -> bool:
        while not self._shutdown.wait(LOOKS_EVERY_S):
            rounds.begin()
            if (lost := self._lease.lost()) is not None:
                logger.error("%s; this keeper ends", lost)
                return False
            if self._lease.is_certain():
                try:
                    self._look(keeper)
                except NewHeadError as error:
                    logger.info("%s; this keeper begins anew", error)
                    return False
        return True

    def _look(self, keeper: Callable[[], None]) -> None:
        problem = None
        try:
            keeper()
        except NewHeadError:
            raise
        except (EngineError, DatabaseError, OSError) as error:
            problem = str(error)
        self._log_once.problem(
            logger, "the cluster", problem, recovered="what the cluster has is known again"
        )
