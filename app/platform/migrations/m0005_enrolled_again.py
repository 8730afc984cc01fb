"""When what the VTN had lost was last enrolled again."""

from __future__ import annotations

from sqlalchemy import Connection, text


def migrate(connection: Connection) -> None:
    connection.execute(
        text(
            """CREATE TABLE enrolled_again (
                ven_name VARCHAR(128) NOT NULL,
                resource_name VARCHAR(128) NOT NULL,
                at_us BIGINT NOT NULL,
                PRIMARY KEY (ven_name, resource_name)
            )"""
        )
    )
