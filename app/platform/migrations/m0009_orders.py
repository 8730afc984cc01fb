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
        # The last order of each resource; desired: NULL for a release.
        """CREATE TABLE device_order (
            ven_name VARCHAR(128) NOT NULL,
            resource_name VARCHAR(128) NOT NULL,
            actuator VARCHAR(64) NOT NULL,
            seq BIGINT NOT NULL,
            desired TEXT,
            status VARCHAR(16) NOT NULL,
            reason TEXT NOT NULL,
            baseline_kw DOUBLE PRECISION NOT NULL,
            store_from_us BIGINT NOT NULL,
            issued_at_us BIGINT NOT NULL,
            switched_at_us BIGINT NOT NULL,
            until_us BIGINT NOT NULL,
            PRIMARY KEY (ven_name, resource_name)
        )""",
        "CREATE TABLE order_state (run VARCHAR(32) NOT NULL, last_seq BIGINT NOT NULL)",
        "INSERT INTO order_state VALUES ('', 0)",
        # Of a VEN where resource_name is blank.
        """CREATE TABLE opt_out (
            ven_name VARCHAR(128) NOT NULL,
            resource_name VARCHAR(128) NOT NULL,
            set_by VARCHAR(16) NOT NULL,
            reason TEXT NOT NULL,
            since_us BIGINT NOT NULL,
            until_us BIGINT,
            PRIMARY KEY (ven_name, resource_name, set_by)
        )""",
        # Whose orders an operator holds back; of everybody where ven_name is blank, too.
        """CREATE TABLE released (
            ven_name VARCHAR(128) NOT NULL,
            resource_name VARCHAR(128) NOT NULL,
            since_us BIGINT NOT NULL,
            PRIMARY KEY (ven_name, resource_name)
        )""",
        "CREATE TABLE participation_state (revision BIGINT NOT NULL)",
        "INSERT INTO participation_state VALUES (0)",
    ):
        connection.execute(text(statement))
