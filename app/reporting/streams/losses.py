"""Readings that were not delivered for good: counted over restarts."""

from __future__ import annotations

from sqlalchemy import Connection, text

from app.platform import Database

EXPIRED = "expired"
"""No event asked for them any more."""
DROPPED = "dropped"
"""The store was full."""


class LossCounters:
    """How many readings were given up, by reason."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, name: str, readings: int, connection: Connection) -> None:
        """Count them, as part of the transaction that gives them up."""
        connection.execute(
            text(
                "INSERT INTO tally (name, readings) VALUES (:name, :readings)"
                " ON CONFLICT (name) DO UPDATE SET readings = tally.readings + excluded.readings"
            ),
            {"name": name, "readings": readings},
        )

    def all(self) -> dict[str, int]:
        """Readings by reason; a reason that never came up is missing."""
        with self._database.read() as connection:
            return {
                row.name: row.readings for row in connection.execute(text("SELECT * FROM tally"))
            }
