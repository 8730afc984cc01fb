"""Orders carry what is in a store that no meter measures, and how long devices may hold them."""

from __future__ import annotations

from sqlalchemy import Connection, text


def migrate(connection: Connection) -> None:
    for statement in (
        "ALTER TABLE device_order RENAME COLUMN store_from_us TO stored_at_us",
        "ALTER TABLE device_order ADD COLUMN stored_kwh DOUBLE PRECISION",
        # An hour: what was issued before may have been written with the longest there is.
        "ALTER TABLE device_order ADD COLUMN valid_for_us BIGINT NOT NULL DEFAULT 3600000000",
    ):
        connection.execute(text(statement))
