"""What lags, what was refused, what may be doubled, and where a stream began."""

from __future__ import annotations

from sqlalchemy import Connection, text


def migrate(connection: Connection) -> None:
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
