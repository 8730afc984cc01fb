"""What is not enrolled, or suspended, is found without reading the whole fleet."""

from __future__ import annotations

from sqlalchemy import Connection, text


def migrate(connection: Connection) -> None:
    for statement in (
        "CREATE INDEX other_ven ON ven (ven_key, status) WHERE status <> 'APPROVED'",
        "CREATE INDEX other_resource ON resource (ven_key, status) WHERE status <> 'APPROVED'",
    ):
        connection.execute(text(statement))
