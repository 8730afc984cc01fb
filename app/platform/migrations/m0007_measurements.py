"""What real meters measure, and which meter is whose."""

from __future__ import annotations

from sqlalchemy import Connection, text


def migrate(connection: Connection) -> None:
    sqlite = connection.dialect.name == "sqlite"
    blob = "BLOB" if sqlite else "BYTEA"
    for statement in (
        # Resources of earlier versions were all simulated, and stay so.
        "ALTER TABLE resource ADD COLUMN source VARCHAR(64) NOT NULL DEFAULT 'simulator'",
        "ALTER TABLE resource ADD COLUMN device VARCHAR(256) NOT NULL DEFAULT ''",
        "CREATE INDEX resource_of_source ON resource (source) WHERE source <> 'simulator'",
        # What an event told or took over of the frames before those that are its own.
        "ALTER TABLE stream ADD COLUMN has TEXT NOT NULL DEFAULT '[]'",
        """CREATE TABLE measurement_state (
            newest_seq BIGINT NOT NULL,
            compacted_seq BIGINT NOT NULL,
            newest_import BIGINT NOT NULL,
            bytes BIGINT NOT NULL
        )""",
        "INSERT INTO measurement_state VALUES (0, 0, 0, 0)",
        """CREATE TABLE measurement_series (
            series_id BIGINT NOT NULL PRIMARY KEY,
            ven_name VARCHAR(128) NOT NULL,
            resource_name VARCHAR(128) NOT NULL,
            quantity VARCHAR(16) NOT NULL,
            direction VARCHAR(8) NOT NULL,
            channel VARCHAR(64) NOT NULL,
            newest_end_us BIGINT NOT NULL,
            longest_us BIGINT NOT NULL,
            UNIQUE (ven_name, resource_name, quantity, direction, channel)
        )""",
        """CREATE TABLE measurement_code (
            code_id BIGINT NOT NULL PRIMARY KEY,
            code VARCHAR(64) NOT NULL UNIQUE
        )""",
        f"""CREATE TABLE measurement_batch (
            seq BIGINT NOT NULL PRIMARY KEY,
            taken_at_us BIGINT NOT NULL,
            body {blob} NOT NULL
        )""",
        f"""CREATE TABLE measurement_day (
            series_id BIGINT NOT NULL,
            day BIGINT NOT NULL,
            import_id BIGINT NOT NULL,
            taken_at_us BIGINT NOT NULL,
            body {blob} NOT NULL,
            PRIMARY KEY (series_id, day, import_id)
        )""",
        "CREATE INDEX measurement_day_by_age ON measurement_day (taken_at_us)",
        "CREATE INDEX measurement_day_of_import ON measurement_day (import_id)"
        " WHERE import_id <> 0",
        """CREATE TABLE measurement_import (
            import_id BIGINT NOT NULL PRIMARY KEY,
            digest VARCHAR(64) NOT NULL UNIQUE,
            begun_at_us BIGINT NOT NULL,
            touched_at_us BIGINT NOT NULL,
            owner VARCHAR(64) NOT NULL,
            values_staged BIGINT NOT NULL,
            published_seq BIGINT NOT NULL,
            state VARCHAR(16) NOT NULL,
            receipt TEXT NOT NULL
        )""",
        """CREATE TABLE unknown_device (
            source VARCHAR(64) NOT NULL,
            device VARCHAR(256) NOT NULL,
            first_seen_us BIGINT NOT NULL,
            last_seen_us BIGINT NOT NULL,
            refused BIGINT NOT NULL,
            PRIMARY KEY (source, device)
        )""",
    ):
        connection.execute(text(statement))
