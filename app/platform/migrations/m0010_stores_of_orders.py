"""What is in a store that no meter measures is carried from order to order."""

from __future__ import annotations

from sqlalchemy import Connection, text


def migrate(connection: Connection) -> None:
    for statement in (
        "ALTER TABLE device_order RENAME COLUMN store_from_us TO stored_at_us",
        "ALTER TABLE device_order ADD COLUMN stored_kwh DOUBLE PRECISION",
    ):
        connection.execute(text(statement))
