"""Reports that were in flight when a shard was taken over are looked for at times of their own."""

from __future__ import annotations

from sqlalchemy import Connection, text


def migrate(connection: Connection) -> None:
    connection.execute(
        text("ALTER TABLE second_look ADD COLUMN after_takeover INTEGER NOT NULL DEFAULT 0")
    )
