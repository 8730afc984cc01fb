"""A lease in PostgreSQL: a row that its owner renews every second."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, func, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from app.platform.errors import DatabaseError, ShardError
from app.platform.log_once import LogOnce
from app.platform.place import explained, one_line
from app.platform.shards.lease import UNKNOWN, Lease
from app.platform.shards.machine import process_name
from app.platform.shards.schema import STORE, lease_table
from app.platform.shards.store import Store
from app.platform.shutdown import Shutdown

logger = logging.getLogger(__name__)
LASTS_S = 5.0
RENEWED_EVERY_S = 1.0
SPARE_S = 1.0
"""Before its end, from when on nothing is sent: clocks do not run alike."""
STATEMENT_S = 3
_END_FROZEN = text(
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity AS session"
    " WHERE pid <> pg_backend_pid() AND usename = current_user"
    " AND state_change < clock_timestamp() - make_interval(secs => :idle_s) AND EXISTS"
    " (SELECT 1 FROM pg_locks JOIN pg_class ON pg_class.oid = pg_locks.relation"
    " JOIN pg_namespace ON pg_namespace.oid = pg_class.relnamespace"
    " WHERE pg_locks.pid = session.pid AND nspname = :schema"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    " AND (state LIKE 'idle in transaction%'"
    " OR state = 'active' AND wait_event_type = 'Client' AND mode = 'RowExclusiveLock'))"
)


class ServerLease(Lease):
    """Of PostgreSQL, also behind a pooler that gives a session to several clients.

    `engine`: its own, so that no other transaction is waited for. `boottime`: seconds, which go on
    while this process or machine stands still.
    """

    # Beside a renewal, and before whoever would raise the epoch: a plain SELECT would let him.
    _CHECK = text("SELECT 1 FROM lease WHERE epoch = :epoch FOR KEY SHARE")

    def __init__(
        self,
        *,
        of: str,
        engine: Engine,
        store: Store,
        address: Callable[[], str],
        shutdown: Shutdown,
        log_once: LogOnce,
        clock: Callable[[], datetime],
        boottime: Callable[[], float],
    ) -> None:
        super().__init__(
            of=of,
            store=store,
            address=address,
            shutdown=shutdown,
            log_once=log_once,
        )
        self._engine = engine.execution_options(schema_translate_map={STORE: store.schema})
        self._clock = clock
        self._boottime = boottime
        self._certain_until_s = 0.0
        self._released = threading.Event()
        self._renewals: threading.Thread | None = None

    def database_opened(self) -> None:
        """Nothing to do: there is no file that somebody could replace."""

    def _give_back(self) -> None:
        self._released.set()
        renewals, self._renewals = self._renewals, None
        if renewals is not None:
            renewals.join(LASTS_S)
            self._end_it()
        self._engine.dispose()

    def _end_it(self) -> None:
        try:
            with self._transaction() as connection:  # where it is another's, nothing happens
                connection.execute(_of(self._epoch).values(expires_at=func.clock_timestamp()))
        except DBAPIError as error:
            logger.warning("the lease of %s ends by itself: %s", self._of, one_line(error))

    @property
    def _asks_every_s(self) -> float:
        return RENEWED_EVERY_S / 2

    def _try_to_take(self) -> str | None:
        self._store.admit()
        self._store.prepare()
        with explained(self._engine.url):
            return self._take()

    def is_held(self) -> bool:
        self._store.admit()
        self._store.prepare()
        with explained(self._engine.url), self._transaction() as connection:
            held = select(lease_table.c.epoch).where(
                lease_table.c.expires_at > func.clock_timestamp()
            )
            is_held = connection.execute(held).first() is not None
        self._engine.dispose()
        return is_held

    def _try_again(self) -> str | None:
        try:
            self._store.admit()
            holder = self._take()
        except ShardError:
            raise
        except (DatabaseError, DBAPIError) as error:
            self._not_known(error)
            return UNKNOWN
        self._not_known(None)
        return holder

    def _take(self) -> str | None:
        asked_s = self._boottime()
        try:
            with self._transaction() as connection:
                row = connection.execute(
                    select(
                        lease_table,
                        (func.clock_timestamp() - lease_table.c.expires_at).label("over_for"),
                    )
                ).first()
                own = {
                    "holder": process_name(),
                    "address": self._address(),
                    "expires_at": _end(),
                }
                if row is None:
                    epoch = 1
                    connection.execute(lease_table.insert().values(epoch=epoch, **own))
                elif row.over_for <= timedelta(0):
                    return str(row.holder)
                else:
                    epoch = row.epoch + 1
                    # Waits for who checked the epoch before it commits, and for nobody else.
                    taken = connection.execute(
                        _of(row.epoch)
                        .where(lease_table.c.expires_at < func.clock_timestamp())
                        .values(epoch=epoch, **own)
                    )
                    if taken.rowcount != 1:
                        return str(row.holder)
                    self._end_frozen_transactions(connection)
        except IntegrityError:
            return "another process that starts"
        if row is not None:
            self.former_end = self._clock() - row.over_for  # by our clock, as all times of ours
        self._begin(epoch, asked_s)
        return None

    def _end_frozen_transactions(self, connection: Connection) -> None:
        """Of former owners: they can commit nothing any more, and have rows locked.

        PostgreSQL ends most of them by itself, but for those after a pipeline, which psycopg makes
        of many rows: its Flush ends the count of how long the transaction has been idle. Within
        one, a transaction counts as active, and its session waits for its client.
        """
        ended = connection.execute(
            _END_FROZEN, {"schema": self._store.schema, "idle_s": STATEMENT_S}
        ).scalar()
        if ended:
            logger.info("%d transactions of the former owner were ended", ended)

    def _begin(self, epoch: int, asked_s: float) -> None:
        self._epoch, self._lost = epoch, None
        self._certain_until_s = asked_s + LASTS_S - SPARE_S
        self._released.clear()
        self._renewals = threading.Thread(target=self._renew, name="lease", daemon=True)
        self._renewals.start()

    def is_certain(self) -> bool:
        return self._epoch is None or (
            self._lost is None and self._boottime() < self._certain_until_s
        )

    def _renew(self) -> None:
        while not self._released.wait(RENEWED_EVERY_S):
            asked_s = self._boottime()
            try:
                with self._transaction() as connection:
                    renewed = connection.execute(_of(self._epoch).values(expires_at=_end()))
            except Exception as error:  # noqa: BLE001 - whatever it is, the next one may succeed
                self._not_renewed(error)
                continue
            if renewed.rowcount != 1:
                self._lose(f"another process has taken over {self._of}")
                return
            self._not_renewed(None)
            with self._changed:
                self._certain_until_s = asked_s + LASTS_S - SPARE_S
                self._changed.notify_all()

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        """Durable, whatever the server's default: a lease that is forgotten is given twice."""
        with self._engine.begin() as connection:
            connection.exec_driver_sql(
                f"SET LOCAL synchronous_commit = on; SET LOCAL statement_timeout = '{STATEMENT_S}s'"
                f"; SET LOCAL idle_in_transaction_session_timeout = '{STATEMENT_S}s'"
            )
            yield connection

    def _not_renewed(self, error: Exception | None) -> None:
        """Said once, and when it is renewed again."""
        lease = f"the lease of {self._of}"
        self._say_problem(
            error, line=f"{lease} is not renewed", recovered=f"{lease} is renewed again"
        )


def _of(epoch: int | None) -> Any:
    return lease_table.update().where(lease_table.c.epoch == epoch)


def _end() -> Any:
    return func.clock_timestamp() + timedelta(seconds=LASTS_S)
