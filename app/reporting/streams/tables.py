"""The tables of what is owed as they are now; `app.platform.migrations` makes them."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, MetaData, String, Text, UniqueConstraint, text

from app.platform import key_column, required_column, table

metadata = MetaData()
KEY_COLUMNS = ("ven_name", "event_id", "descriptor", "heir_of")
"""What tells streams apart."""
stream_table = table(
    metadata,
    "stream",
    key_column("stream_id"),
    required_column("cursor_seq", BigInteger),
    required_column("cursor_column", BigInteger),
    required_column("ven_name", String(128)),
    required_column("event_id", String(128)),
    required_column("descriptor", String(300)),
    required_column("heir_of", String(128)),
    required_column("request", Text),
    required_column("start_seq", BigInteger),
    Column("until_seq", BigInteger),
    Column("reports_left", BigInteger),
    required_column("reports_sent", BigInteger),
    Column("last_report", String(128)),
    Column("in_flight", Text),
    Column("ended_at_us", BigInteger),
    required_column("done_us", BigInteger, server_default=text("0")),
    required_column("done_column", BigInteger, server_default=text("0")),
    required_column("has", Text, server_default=text("'[]'")),
    required_column("told", Text, server_default=text("'[]'")),
    UniqueConstraint(*KEY_COLUMNS),
)
tally_table = table(
    metadata,
    "tally",
    Column("name", String(64), primary_key=True),
    required_column("readings", BigInteger),
)
