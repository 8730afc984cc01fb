"""Orders in the database: what was issued, so that a start goes on with it."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Row, text

from app.actuation.order import DesiredState, Key, Order, OrderStatus, Stored
from app.platform import Database, from_us, to_us

RUN_BYTES = 8
"""Of the id of a store."""


class OrderStore:
    """The last order of each resource. Safe for several threads."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def run(self) -> str:
        """The id of this store, made when it is first asked for: no other store has it."""
        with self._database.write() as connection:
            run = connection.execute(text("SELECT run FROM order_state")).scalar_one()
            if not run:
                run = secrets.token_hex(RUN_BYTES)
                connection.execute(text("UPDATE order_state SET run = :run"), {"run": run})
            return str(run)

    def load(self) -> list[Order]:
        """The last order of each resource that was ever given one."""
        with self._database.read() as connection:
            return [_order(row) for row in connection.execute(text("SELECT * FROM device_order"))]

    def issue(self, orders: Sequence[Order], now_us: int) -> None:
        """Give each the next `seq`, and store all of them, in one transaction.

        A `seq` is above every one before it, and at least the microseconds since 1970: also where
        the store was restored from a copy.
        """
        with self._database.write() as connection:
            last = int(connection.execute(text(_LOCK_SEQ)).scalar_one())
            first = max(last + 1, now_us)
            seqs = {"last_seq": first + len(orders) - 1}
            connection.execute(text("UPDATE order_state SET last_seq = :last_seq"), seqs)
            for number, order in enumerate(orders):
                order.seq = first + number
            connection.execute(text(_SAVE), [_row(order) for order in orders])

    def keep(self, orders: Collection[Order]) -> None:
        """What came of these, each of which is still the last one of its resource, or left as it
        is; in one transaction."""
        with self._database.write() as connection:
            connection.execute(text(_KEEP), [_row(order) for order in orders])

    def forget(self, keys: Collection[Key]) -> None:
        """These resources are gone."""
        with self._database.write() as connection:
            connection.execute(
                text(_FORGET),
                [{"ven_name": key.ven_name, "resource_name": key.resource_name} for key in keys],
            )


def _row(order: Order) -> dict[str, Any]:
    return {
        "ven_name": order.key.ven_name,
        "resource_name": order.key.resource_name,
        "actuator": order.actuator,
        "seq": order.seq,
        "desired": None if order.desired is None else order.desired.dump(),
        "status": order.status.value,
        "reason": order.reason,
        "baseline_kw": order.baseline_kw,
        "stored_kwh": None if order.stored is None else order.stored.kwh,
        "stored_at_us": to_us(order.issued_at if order.stored is None else order.stored.at),
        "issued_at_us": to_us(order.issued_at),
        "switched_at_us": to_us(order.switched_at),
        "valid_for_us": order.valid_for // timedelta(microseconds=1),
        "until_us": to_us(order.until),
    }


def _order(row: Row[Any]) -> Order:
    is_asked = row.desired is not None and row.status != OrderStatus.RELEASED
    return Order(
        key=Key(row.ven_name, row.resource_name),
        actuator=row.actuator,
        seq=row.seq,
        desired=DesiredState.load(row.desired) if is_asked else None,
        status=OrderStatus(row.status),
        reason=row.reason,
        baseline_kw=row.baseline_kw,
        stored=None
        if row.stored_kwh is None
        else Stored(row.stored_kwh, from_us(row.stored_at_us)),
        issued_at=from_us(row.issued_at_us),
        switched_at=from_us(row.switched_at_us),
        valid_for=timedelta(microseconds=row.valid_for_us),
        until=from_us(row.until_us),
    )


_LOCK_SEQ = "UPDATE order_state SET last_seq = last_seq RETURNING last_seq"
_SAVE = """
    INSERT INTO device_order (ven_name, resource_name, actuator, seq, desired, status, reason,
        baseline_kw, stored_kwh, stored_at_us, issued_at_us, switched_at_us,
        valid_for_us, until_us)
    VALUES (:ven_name, :resource_name, :actuator, :seq, :desired, :status, :reason,
        :baseline_kw, :stored_kwh, :stored_at_us, :issued_at_us, :switched_at_us,
        :valid_for_us, :until_us)
    ON CONFLICT (ven_name, resource_name) DO UPDATE SET
        actuator = excluded.actuator, seq = excluded.seq, desired = excluded.desired,
        status = excluded.status, reason = excluded.reason, baseline_kw = excluded.baseline_kw,
        stored_kwh = excluded.stored_kwh, stored_at_us = excluded.stored_at_us,
        issued_at_us = excluded.issued_at_us, switched_at_us = excluded.switched_at_us,
        valid_for_us = excluded.valid_for_us, until_us = excluded.until_us"""
_KEEP = (
    "UPDATE device_order SET status = :status, reason = :reason, until_us = :until_us"
    " WHERE ven_name = :ven_name AND resource_name = :resource_name AND seq = :seq"
)
_FORGET = "DELETE FROM device_order WHERE ven_name = :ven_name AND resource_name = :resource_name"
