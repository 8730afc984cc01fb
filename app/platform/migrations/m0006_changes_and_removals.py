"""What the VTN is to be told of resources that changed, and what is on its way out."""

from __future__ import annotations

from sqlalchemy import Connection, text


def migrate(connection: Connection) -> None:
    for statement in (
        # The fleet's revision when it changed last; 0: the VTN knows it as it is.
        "ALTER TABLE resource ADD COLUMN changed_revision BIGINT NOT NULL DEFAULT 0",
        "CREATE INDEX changed_resource ON resource (ven_key) WHERE changed_revision <> 0",
        """CREATE TABLE removal (
            ven_name VARCHAR(128) NOT NULL,
            resource_name VARCHAR(128) NOT NULL,
            begun_at_us BIGINT NOT NULL,
            through_seq BIGINT NOT NULL,
            keep_at_vtn INTEGER NOT NULL,
            drop_owed INTEGER NOT NULL,
            PRIMARY KEY (ven_name, resource_name)
        )""",
    ):
        connection.execute(text(statement))
