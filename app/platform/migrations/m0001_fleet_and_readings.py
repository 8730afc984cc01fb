"""Fleet, readings, events, and what is owed."""

from __future__ import annotations

from sqlalchemy import Connection, text


def migrate(connection: Connection) -> None:
    sqlite = connection.dialect.name == "sqlite"
    key = "INTEGER PRIMARY KEY" if sqlite else "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY"
    # AUTOINCREMENT: a sequence number must not come back after the last frame was removed.
    growing = f"{key} AUTOINCREMENT" if sqlite else key
    blob = "BLOB" if sqlite else "BYTEA"
    for statement in (
        "CREATE TABLE fleet (revision BIGINT NOT NULL)",
        "INSERT INTO fleet VALUES (0)",
        f"""CREATE TABLE ven (
            ven_key {key},
            ven_name VARCHAR(128) NOT NULL UNIQUE,
            status VARCHAR(16) NOT NULL,
            vtn_ven_id VARCHAR(128)
        )""",
        f"""CREATE TABLE resource (
            resource_key {key},
            ven_key BIGINT NOT NULL REFERENCES ven,
            resource_name VARCHAR(128) NOT NULL,
            kind VARCHAR(32) NOT NULL,
            meter_point_id TEXT NOT NULL,
            latitude DOUBLE PRECISION,
            longitude DOUBLE PRECISION,
            address TEXT NOT NULL,
            power_min_kw DOUBLE PRECISION NOT NULL,
            power_max_kw DOUBLE PRECISION NOT NULL,
            energy_min_kwh DOUBLE PRECISION NOT NULL,
            energy_max_kwh DOUBLE PRECISION NOT NULL,
            status VARCHAR(16) NOT NULL,
            vtn_resource_id VARCHAR(128),
            UNIQUE (ven_key, resource_name)
        )""",
        f"""CREATE TABLE roster (
            roster_id {key},
            body {blob} NOT NULL
        )""",
        f"""CREATE TABLE frame (
            seq {growing},
            taken_at_us BIGINT NOT NULL UNIQUE,
            profile_index INTEGER NOT NULL,
            roster_id BIGINT NOT NULL REFERENCES roster,
            power_kw {blob} NOT NULL
        )""",
        """CREATE TABLE event (
            ven_name VARCHAR(128) NOT NULL,
            event_id VARCHAR(128) NOT NULL,
            body TEXT NOT NULL,
            first_seen_us BIGINT NOT NULL,
            PRIMARY KEY (ven_name, event_id)
        )""",
        f"""CREATE TABLE stream (
            stream_id {key},
            ven_name VARCHAR(128) NOT NULL,
            event_id VARCHAR(128) NOT NULL,
            descriptor VARCHAR(300) NOT NULL,
            request TEXT NOT NULL,
            state VARCHAR(16) NOT NULL,
            cursor_seq BIGINT NOT NULL,
            cursor_column BIGINT NOT NULL,
            reports_left BIGINT,
            in_flight TEXT,
            UNIQUE (ven_name, event_id, descriptor)
        )""",
    ):
        connection.execute(text(statement))
