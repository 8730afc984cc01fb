"""What real devices are asked to do, and who opted out."""

from __future__ import annotations

from sqlalchemy import Connection, text


def migrate(connection: Connection) -> None:
    for statement in (
        "ALTER TABLE resource ADD COLUMN actuator VARCHAR(64) NOT NULL DEFAULT ''",
        "ALTER TABLE resource ADD COLUMN ramp_kw_per_min DOUBLE PRECISION NOT NULL DEFAULT 0",
        "ALTER TABLE resource ADD COLUMN min_on_s BIGINT NOT NULL DEFAULT 0",
        "ALTER TABLE resource ADD COLUMN min_off_s BIGINT NOT NULL DEFAULT 0",
        "CREATE INDEX resource_of_actuator ON resource (actuator) WHERE actuator <> ''",
    ):
        connection.execute(text(statement))
