"""The tables of delivery as they are now; `app.platform.migrations` makes them."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, LargeBinary, MetaData, String, Text, text

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
)
