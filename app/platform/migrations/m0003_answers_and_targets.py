"""What resources answered, what VENs were granted, and reports at times that events set."""

from __future__ import annotations

from sqlalchemy import Connection, text


def migrate(connection: Connection) -> None:
    blob = "BLOB" if connection.dialect.name == "sqlite" else "BYTEA"
    for statement in (
        f"ALTER TABLE frame ADD COLUMN detail {blob}",
        f"ALTER TABLE slice ADD COLUMN detail {blob}",
        "ALTER TABLE event ADD COLUMN had_time INTEGER NOT NULL DEFAULT 1",
        """CREATE TABLE ven_view (
            ven_name VARCHAR(128) PRIMARY KEY,
            body TEXT NOT NULL
        )""",
        "ALTER TABLE stream ADD COLUMN done_us BIGINT NOT NULL DEFAULT 0",
        "ALTER TABLE stream ADD COLUMN done_column BIGINT NOT NULL DEFAULT 0",
        "ALTER TABLE set_aside ADD COLUMN program_id VARCHAR(128) NOT NULL DEFAULT ''",
    ):
        connection.execute(text(statement))
