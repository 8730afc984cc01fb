"""The schema, by number: a migration is never changed once it is released, only followed.

Version n of the schema is what the first n migrations make. One sequence for all rooms, since
they share one file and one transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy import Connection, text

Migration = Callable[[Connection], None]


def first_schema(connection: Connection) -> None:
    """Fleet, readings, events, and what is owed."""
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


def second_schema(connection: Connection) -> None:
    """What lags, what was refused, what may be doubled, and where a stream began."""
    sqlite = connection.dialect.name == "sqlite"
    key = "INTEGER PRIMARY KEY" if sqlite else "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY"
    # AUTOINCREMENT: a number that people name must not come back for another report.
    growing = f"{key} AUTOINCREMENT" if sqlite else key
    blob = "BLOB" if sqlite else "BYTEA"
    for statement in (
        f"""CREATE TABLE slice (
            ven_name VARCHAR(128) NOT NULL,
            seq BIGINT NOT NULL,
            taken_at_us BIGINT NOT NULL,
            roster_id BIGINT NOT NULL REFERENCES roster,
            power_kw {blob} NOT NULL,
            PRIMARY KEY (ven_name, seq)
        )""",
        "CREATE INDEX slice_by_seq ON slice (seq)",
        f"""CREATE TABLE set_aside (
            set_aside_id {growing},
            ven_name VARCHAR(128) NOT NULL,
            event_id VARCHAR(128) NOT NULL,
            report_name VARCHAR(128) NOT NULL,
            readings BIGINT NOT NULL,
            body {blob} NOT NULL,
            problem TEXT NOT NULL,
            refused_at_us BIGINT NOT NULL,
            state VARCHAR(16) NOT NULL,
            in_doubt_us BIGINT
        )""",
        """CREATE TABLE second_look (
            report_name VARCHAR(128) PRIMARY KEY,
            ven_name VARCHAR(128) NOT NULL,
            event_id VARCHAR(128) NOT NULL,
            body_bytes BIGINT NOT NULL,
            reports_before BIGINT NOT NULL,
            due_us BIGINT NOT NULL,
            looks_left BIGINT NOT NULL
        )""",
        """CREATE TABLE tally (
            name VARCHAR(64) PRIMARY KEY,
            readings BIGINT NOT NULL
        )""",
        "ALTER TABLE stream RENAME TO old_stream",
        f"""CREATE TABLE stream (
            stream_id {key},
            ven_name VARCHAR(128) NOT NULL,
            event_id VARCHAR(128) NOT NULL,
            descriptor VARCHAR(300) NOT NULL,
            heir_of VARCHAR(128) NOT NULL,
            request TEXT NOT NULL,
            start_seq BIGINT NOT NULL,
            until_seq BIGINT,
            cursor_seq BIGINT NOT NULL,
            cursor_column BIGINT NOT NULL,
            reports_left BIGINT,
            reports_sent BIGINT NOT NULL,
            last_report VARCHAR(128),
            in_flight TEXT,
            ended_at_us BIGINT,
            UNIQUE (ven_name, event_id, descriptor, heir_of)
        )""",
        # A stream of the first schema began at its event's start, or as far back as there was.
        """INSERT INTO stream (ven_name, event_id, descriptor, heir_of, request, start_seq,
                until_seq, cursor_seq, cursor_column, reports_left, reports_sent, in_flight,
                ended_at_us)
            SELECT ven_name, event_id, descriptor, '', request, 0,
                CASE state WHEN 'OPEN' THEN NULL ELSE cursor_seq END,
                cursor_seq, cursor_column, reports_left, 0, in_flight,
                CASE state WHEN 'OPEN' THEN NULL ELSE 0 END
            FROM old_stream ORDER BY stream_id""",
        "DROP TABLE old_stream",
    ):
        connection.execute(text(statement))


def third_schema(connection: Connection) -> None:
    """What resources answered, what VENs were granted, and reports at times that events set."""
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


def fourth_schema(connection: Connection) -> None:
    """What is not enrolled, or suspended, is found without reading the whole fleet."""
    for statement in (
        "CREATE INDEX other_ven ON ven (ven_key, status) WHERE status <> 'APPROVED'",
        "CREATE INDEX other_resource ON resource (ven_key, status) WHERE status <> 'APPROVED'",
    ):
        connection.execute(text(statement))


def fifth_schema(connection: Connection) -> None:
    """When what the VTN had lost was last enrolled again."""
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


def sixth_schema(connection: Connection) -> None:
    """What the VTN is to be told of resources that changed, and what is on its way out."""
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


MIGRATIONS: Sequence[Migration] = (
    first_schema,
    second_schema,
    third_schema,
    fourth_schema,
    fifth_schema,
    sixth_schema,
)
