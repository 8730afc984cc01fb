"""The tables of delivery as they are now; `app.platform.migrations` makes them."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Text,
    UniqueConstraint,
    text,
)

from app.platform import key_column, required_column, table

metadata = MetaData()
set_aside_table = table(
    metadata,
    "set_aside",
    key_column("set_aside_id"),
    required_column("ven_name", String(128)),
    required_column("event_id", String(128)),
    required_column("report_name", String(128)),
    required_column("readings", BigInteger),
    required_column("body", LargeBinary),
    required_column("problem", Text),
    required_column("refused_at_us", BigInteger),
    required_column("state", String(16)),
    Column("in_doubt_us", BigInteger),
    required_column("program_id", String(128), server_default=text("''")),
    never_again=True,
)
second_look_table = table(
    metadata,
    "second_look",
    Column("report_name", String(128), primary_key=True),
    required_column("ven_name", String(128)),
    required_column("event_id", String(128)),
    required_column("body_bytes", BigInteger),
    required_column("reports_before", BigInteger),
    required_column("due_us", BigInteger),
    required_column("looks_left", BigInteger),
    required_column("after_takeover", Integer, server_default=text("0")),
)
metered_report_table = table(
    metadata,
    "metered_report",
    key_column("metered_report_id"),
    required_column("ven_name", String(128)),
    required_column("event_id", String(128)),
    required_column("descriptor", String(300)),
    required_column("report_key", BigInteger),
    required_column("first_cell", BigInteger),
    required_column("program_id", String(128)),
    required_column("report_name", String(128)),
    Column("report_id", String(128)),
    required_column("starts_us", BigInteger),
    required_column("ends_us", BigInteger),
    required_column("keep_until_us", BigInteger),
    required_column("is_sent", BigInteger),
    required_column("is_complete", BigInteger),
    required_column("seen_seq", BigInteger),
    required_column("body", LargeBinary),
    Column("check_after_us", BigInteger),
    Column("corrected_at_us", BigInteger),
    required_column("corrections", BigInteger),
    UniqueConstraint("ven_name", "event_id", "descriptor", "report_key", "first_cell"),
)
Index("metered_report_by_end", metered_report_table.c.ven_name, metered_report_table.c.ends_us)
Index("metered_report_by_name", metered_report_table.c.report_name)
Index("metered_report_by_age", metered_report_table.c.keep_until_us)
IS_CHANGED = text("check_after_us IS NOT NULL")
Index(
    "metered_report_to_check",
    metered_report_table.c.check_after_us,
    sqlite_where=IS_CHANGED,
    postgresql_where=IS_CHANGED,
)
metered_report_state_table = table(
    metadata, "metered_report_state", required_column("seen_seq", BigInteger)
)
