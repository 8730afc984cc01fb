"""A lease on one machine: a lock in a file, whose owner says every second that it lives.

The kernel gives the lock back when a process ends, but not when it stands still: a standby ends an
owner that has not said so for a while, and only that one.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, select, text

from app.platform.errors import AnotherRunError, DatabaseError, ShardError
from app.platform.log_once import LogOnce
from app.platform.place import explained
from app.platform.run_lock import RunLock
from app.platform.shards.lease import UNKNOWN, Lease
from app.platform.shards.machine import BOOT_ID, PID_NAMESPACE, process_name, started
from app.platform.shards.schema import STORE, lease_table
from app.platform.shards.store import Store, transaction
from app.platform.shutdown import Shutdown

logger = logging.getLogger(__name__)
SAYS_EVERY_S = 1.0
MAX_SILENCE_S = 8.0
MIN_OBSERVED_S = 3.0
"""For so long a standby has seen the same: after a machine slept, its processes take time."""
ASKS_EVERY_S = 0.2
RECORD_BYTES = 1024
READS = 3
"""A reader may come in the middle of a write."""


@dataclass(frozen=True, kw_only=True)
class Owner:
    """What the owner of a lock writes into it."""

    holder: str
    pid: int
    started: int
    """When, in ticks since the machine did: a number that is given again has another."""
    boot_id: str
    pid_namespace: str
    alive_s: float
    """When it wrote this, in seconds since the machine started."""
    epoch: int = 0
    """Of its lease; 0: it begins, or has ended."""
    address: str = ""
    """Where it is reached."""

    @classmethod
    def this(cls, alive_s: float) -> Owner:
        """Of this process."""
        return cls(
            holder=process_name(),
            pid=os.getpid(),
            started=started(os.getpid()) or 0,
            boot_id=BOOT_ID.read_text().strip(),
            pid_namespace=os.readlink(PID_NAMESPACE),
            alive_s=alive_s,
        )

    @classmethod
    def read(cls, path: Path) -> Owner | None:
        """What is written there; None: nothing that is understood."""
        for _ in range(READS):
            try:
                found = json.loads(path.read_bytes().rstrip(b"\0 \n"))
                return cls(**{name: kind(found[name]) for name, kind in _KINDS.items()})
            except (OSError, ValueError, KeyError, TypeError):
                continue
        return None

    def write(self, descriptor: int) -> None:
        """In one piece."""
        os.pwrite(descriptor, json.dumps(asdict(self)).encode().ljust(RECORD_BYTES), 0)


_KINDS = {
    "holder": str,
    "pid": int,
    "started": int,
    "boot_id": str,
    "pid_namespace": str,
    "alive_s": float,
    "epoch": int,
    "address": str,
}


class FileLease(Lease):
    """Of SQLite, on one machine. `boottime`, `monotonic`: seconds, with and without those in which
    the machine slept.
    """

    _CHECK = text("SELECT 1 FROM lease WHERE epoch = :epoch")

    def __init__(
        self,
        *,
        of: str,
        lock: RunLock,
        lock_file: Path,
        engine: Engine,
        store: Store,
        address: Callable[[], str],
        shutdown: Shutdown,
        log_once: LogOnce,
        clock: Callable[[], datetime],
        boottime: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> None:
        super().__init__(
            of=of,
            store=store,
            address=address,
            shutdown=shutdown,
            log_once=log_once,
        )
        self._lock = lock
        self._lock_file = lock_file
        self._engine = engine.execution_options(schema_translate_map={STORE: None})
        self._clock = clock
        self._boottime = boottime
        self._monotonic = monotonic
        self._released = threading.Event()
        self._alive: threading.Thread | None = None
        self._record: Owner | None = None
        """What it writes of itself."""
        self._writing = threading.Lock()
        self._observed: tuple[Owner | None, float] | None = None
        """What stood there, and since when it has."""
        self._ended: Owner | None = None
        """The one that was told to end."""

    def database_opened(self) -> None:
        """From now on its files must stay."""
        self._lock.database_opened()

    def lost(self) -> str | None:
        return super().lost() or self._lock.lost()

    @property
    def _asks_every_s(self) -> float:
        return ASKS_EVERY_S

    def is_held(self) -> bool:
        return self._lock.is_held()

    def _try_to_take(self) -> str | None:
        self._store.admit()
        return self._take()

    def _take(self) -> str | None:
        try:
            self._lock.acquire()
        except AnotherRunError:
            owner = Owner.read(self._lock_file)
            return "another process" if owner is None else owner.holder
        try:
            self._begin()
        except BaseException:
            self._give_back()
            raise
        return None

    def _try_again(self) -> str | None:
        try:
            holder = self._take()
        except ShardError:
            raise
        except DatabaseError as error:
            self._not_known(error)
            return UNKNOWN
        self._not_known(None)
        if holder is not None:
            self._end_a_frozen_owner()
        return holder

    def _begin(self) -> None:
        self._record = Owner.this(self._boottime())
        with open(self._lock_file, "r+b") as file:
            self._record.write(file.fileno())
        self._released.clear()
        self._alive = threading.Thread(target=self._say_so, name="lease", daemon=True)
        self._alive.start()
        self._store.admit()  # again: the fleet may have been cut anew while a standby waited
        self._store.prepare()
        with explained(self._engine.url), transaction(self._engine, schema=None) as connection:
            before = connection.execute(select(lease_table.c.epoch)).scalar()
            epoch = int(before or 0) + 1
            self.former_end = None if before is None else self._clock()
            changed = lease_table.insert() if before is None else lease_table.update()
            address = self._address()
            connection.execute(changed.values(epoch=epoch, holder=process_name(), address=address))
        self._epoch, self._lost = epoch, None
        with open(self._lock_file, "r+b") as file:
            self._say(file.fileno(), epoch=epoch, address=address)

    def _say_so(self) -> None:
        """Every second; at the end, that it is over."""
        with open(self._lock_file, "r+b") as file:
            while not self._released.wait(SAYS_EVERY_S):
                self._say(file.fileno())
            self._say(file.fileno(), epoch=0, address="")

    def _say(self, descriptor: int, **changed: Any) -> None:
        with self._writing:
            if self._record is None:
                return
            self._record = replace(self._record, alive_s=self._boottime(), **changed)
            try:
                self._record.write(descriptor)
            except OSError as error:  # the next one may succeed
                self._warn(f"{self._lock_file} cannot be written: {error.strerror}")

    def _give_back(self) -> None:
        self._released.set()
        alive, self._alive = self._alive, None
        if alive is not None:
            alive.join(SAYS_EVERY_S)
        self._lock.release()

    def is_certain(self) -> bool:
        """Who stands still and is waited for no longer does not wake up again."""
        return self._lost is None

    def _end_a_frozen_owner(self) -> None:
        owner, now_s = Owner.read(self._lock_file), self._monotonic()
        if self._observed is None or self._observed[0] != owner:
            self._observed = owner, now_s
        if owner is None or now_s - self._observed[1] < MIN_OBSERVED_S:
            return
        silent_s = self._boottime() - owner.alive_s
        if silent_s < MAX_SILENCE_S:
            return
        other = self._why_not_ours_to_end(owner)
        if other is not None:
            self._warn(
                f"{self._of}: {owner.holder} has the lock, and has said nothing for"
                f" {silent_s:.0f} s; it is left, since {other}",
                about=f"frozen owner of {self._of}, {owner}",
            )
            return
        self._kill(owner, silent_s)

    def _why_not_ours_to_end(self, owner: Owner) -> str | None:
        this = Owner.this(0.0)
        if owner.boot_id != this.boot_id:
            return "it is of another machine, or of before this one started"
        if owner.pid_namespace != this.pid_namespace:
            return "it is in another container"
        return None

    def _kill(self, owner: Owner, silent_s: float) -> None:
        if owner == self._ended:
            return  # it may take long, while it waits for a disk
        try:
            process = os.pidfd_open(owner.pid)
        except ProcessLookupError:
            return
        except OSError as error:
            self._warn(
                f"{self._of}: {owner.holder} stands still, and cannot be ended: {error.strerror}"
            )
            return
        try:
            # The number is that of `process` for as long as we hold it: now it is the owner's.
            if started(owner.pid) != owner.started:
                self._warn(
                    f"{self._of}: process {owner.pid} is not the one that has the lock; it is left"
                )
                return
            if Owner.read(self._lock_file) != owner:
                return  # it lives
            signal.pidfd_send_signal(process, signal.SIGKILL)
            self._ended = owner
            logger.warning(
                "%s: %s has stood still for %.0f s and was ended",
                self._of,
                owner.holder,
                silent_s,
            )
        except PermissionError:
            self._warn(
                f"{self._of}: {owner.holder} stands still, and is another user's; it is left"
            )
        except ProcessLookupError:
            return  # it has ended by itself
        finally:
            os.close(process)

    def _warn(self, line: str, *, about: str = "") -> None:
        self._log_once(logger, logging.WARNING, line, about=about)
