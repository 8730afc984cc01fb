"""Who runs something, such as a shard: at most one process at a time, and another one as soon as
that is gone.
"""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

from sqlalchemy import Connection, TextClause

from app.platform.errors import LeaseLostError
from app.platform.log_once import LogOnce
from app.platform.place import one_line
from app.platform.shards.store import Store
from app.platform.shutdown import Shutdown

logger = logging.getLogger(__name__)
UNKNOWN = "unknown"
"""Who has it, while the database does not say."""
WAKES_EVERY_S = 0.1
"""Who waits until the lease is confirmed."""


class Lease(ABC):
    """The right to run something, which its `epoch` tells from those before and after it.

    A process that waits for it is a standby. Safe for several threads. Implements `Fence`: a
    process that never took it may write, as commands do beside a run, and one that has lost it
    may not. `address`: where its owner is reached, when it takes the lease.
    """

    _CHECK: TextClause
    """Whether the lease has this epoch, and keeps it until the transaction ends."""

    def __init__(
        self,
        *,
        of: str,
        store: Store,
        address: Callable[[], str],
        shutdown: Shutdown,
        log_once: LogOnce,
    ) -> None:
        self._of = of
        self._address = address
        self._store = store
        self._shutdown = shutdown
        self._log_once = log_once
        self._epoch: int | None = None
        self._lost: str | None = None
        self.former_end: datetime | None = None
        """Until when another process may have sent something; None: there was none."""
        self._changed = threading.Condition()

    def acquire(self) -> None:
        """Wait until it is ours, or until the application stops. RunLockError, DatabaseError."""
        holder = former = self._try_to_take()
        if holder is None:
            return
        logger.info(
            "%s is run by %s; this process waits, and takes over when that one is gone",
            self._of,
            holder,
        )
        while holder is not None and not self._shutdown.wait(self._asks_every_s):
            holder = self._try_again()
            former = former if holder in (None, UNKNOWN) else holder
        if holder is None:
            logger.info("%s is taken over from %s", self._of, former)

    @contextmanager
    def alone(self) -> Iterator[bool]:
        """Whether nobody runs it; as long as this lasts, nobody begins to. For commands."""
        taken = self._try_to_take() is None
        try:
            yield taken
        finally:
            self._give_back()
            self._epoch = None

    @abstractmethod
    def is_held(self) -> bool:
        """Whether somebody runs it; nothing changes by it."""

    @property
    def epoch(self) -> int | None:
        """Of this process; None: the lease is not its own."""
        return self._epoch

    def lost(self) -> str | None:
        """Why this process must stop, in words; None: the lease is its own."""
        return self._lost

    def check(self, connection: Connection) -> None:
        """The last statement of a transaction. LeaseLostError: the lease is not ours any more."""
        if self._lost is not None:
            raise LeaseLostError(self._lost)
        if self._epoch is None:
            return
        if connection.execute(self._CHECK, {"epoch": self._epoch}).first() is None:
            self._lose(f"another process has taken over {self._of}")
            raise LeaseLostError(self._lost)

    def wait(self) -> None:
        """Return when something may leave. LeaseLostError: nothing may any more."""
        while not self.is_certain():
            with self._changed:
                if self._lost is not None:
                    raise LeaseLostError(self._lost)
                if self._shutdown.is_set() and not self._shutdown.remaining_for_work_s():
                    raise LeaseLostError(f"whether {self._of} is still ours was not known in time")
                self._changed.wait(WAKES_EVERY_S)

    def is_owner(self) -> bool:
        """Whether this process took it."""
        return self._epoch is not None

    @abstractmethod
    def is_certain(self) -> bool:
        """Whether nobody else can have it now, or it was never taken."""

    def release(self) -> None:
        """Give it back, when nothing more is stored or sent; may be called again."""
        if self._epoch is not None:
            self._lose(f"{self._of} was given back")
        self._give_back()

    @abstractmethod
    def _give_back(self) -> None:
        """So that a standby need not wait; may be called again."""

    @property
    @abstractmethod
    def _asks_every_s(self) -> float: ...

    @abstractmethod
    def _try_to_take(self) -> str | None:
        """Who has it; None: it is ours."""

    @abstractmethod
    def _try_again(self) -> str | None:
        """The same for a standby, which a database that fails does not end. ShardError: the fleet
        was cut anew."""

    def _not_known(self, error: Exception | None) -> None:
        """Said once, and when it is known again: whether another process runs it."""
        self._say_problem(
            error,
            line=f"whether {self._of} is still run is not known",
            recovered=f"whether {self._of} is run is known again",
        )

    def _say_problem(self, error: Exception | None, *, line: str, recovered: str) -> None:
        """When it begins, with what the error says, and when it ends (None)."""
        why = None if error is None else one_line(error)
        self._log_once.problem(logger, line, why, line=f"{line}: {why}", recovered=recovered)

    def _lose(self, why: str) -> None:
        with self._changed:
            self._lost = self._lost or why
            self._changed.notify_all()
