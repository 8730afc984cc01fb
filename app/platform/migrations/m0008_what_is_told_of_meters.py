"""What was told of real meters, and what is to be kept until it is."""

from __future__ import annotations

from sqlalchemy import Connection, text


def migrate(connection: Connection) -> None:
    sqlite = connection.dialect.name == "sqlite"
    blob = "BLOB" if sqlite else "BYTEA"
    key = "INTEGER PRIMARY KEY" if sqlite else "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY"
    for statement in (
        # Everybody who tells has passed the batches up to this number.
        "ALTER TABLE measurement_state ADD COLUMN told_seq BIGINT NOT NULL DEFAULT 0",
        # What was measured from here on is owed by a report.
        "ALTER TABLE measurement_state ADD COLUMN owed_from_us BIGINT",
        # How short the intervals of a series are at the least; 0: it has instants.
        "ALTER TABLE measurement_series ADD COLUMN shortest_us BIGINT NOT NULL DEFAULT 0",
        "UPDATE measurement_series SET shortest_us = longest_us",
        # Where reports of measurements ended, as far as those may be corrected.
        "ALTER TABLE stream ADD COLUMN told TEXT NOT NULL DEFAULT '[]'",
        # An interval report, or a part of one: as it was told, or without anything to tell yet.
        f"""CREATE TABLE metered_report (
            metered_report_id {key},
            ven_name VARCHAR(128) NOT NULL,
            event_id VARCHAR(128) NOT NULL,
            descriptor VARCHAR(300) NOT NULL,
            report_key BIGINT NOT NULL,
            first_cell BIGINT NOT NULL,
            program_id VARCHAR(128) NOT NULL,
            report_name VARCHAR(128) NOT NULL,
            report_id VARCHAR(128),
            starts_us BIGINT NOT NULL,
            ends_us BIGINT NOT NULL,
            keep_until_us BIGINT NOT NULL,
            is_sent BIGINT NOT NULL,
            is_complete BIGINT NOT NULL,
            seen_seq BIGINT NOT NULL,
            body {blob} NOT NULL,
            check_after_us BIGINT,
            corrected_at_us BIGINT,
            corrections BIGINT NOT NULL,
            UNIQUE (ven_name, event_id, descriptor, report_key, first_cell)
        )""",
        "CREATE INDEX metered_report_by_end ON metered_report (ven_name, ends_us)",
        "CREATE INDEX metered_report_by_name ON metered_report (report_name)",
        "CREATE INDEX metered_report_by_age ON metered_report (keep_until_us)",
        "CREATE INDEX metered_report_to_check ON metered_report (check_after_us)"
        " WHERE check_after_us IS NOT NULL",
        # The measurements up to this number were looked at for what they change.
        "CREATE TABLE metered_report_state (seen_seq BIGINT NOT NULL)",
        "INSERT INTO metered_report_state VALUES (0)",
    ):
        connection.execute(text(statement))
