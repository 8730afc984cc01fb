"""The tables of this room, as queries name them; `app.platform.migrations` makes them."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, MetaData, String, Table, Text, UniqueConstraint

metadata = MetaData()
KEY_COLUMNS = ("ven_name", "event_id", "descriptor", "heir_of")
"""What tells streams apart."""
stream_table = Table(
    "stream",
    metadata,
    Column("stream_id", BigInteger, primary_key=True),
    Column("cursor_seq", BigInteger, nullable=False),
    Column("cursor_column", BigInteger, nullable=False),
    Column("ven_name", String(128), nullable=False),
    Column("event_id", String(128), nullable=False),
    Column("descriptor", String(300), nullable=False),
    Column("heir_of", String(128), nullable=False),
    Column("request", Text, nullable=False),
    Column("start_seq", BigInteger, nullable=False),
    Column("until_seq", BigInteger),
    Column("reports_left", BigInteger),
    Column("reports_sent", BigInteger, nullable=False),
    Column("last_report", String(128)),
    Column("in_flight", Text),
    Column("ended_at_us", BigInteger),
    Column("done_us", BigInteger, nullable=False),
    Column("done_column", BigInteger, nullable=False),
    UniqueConstraint(*KEY_COLUMNS),
)
tally_table = Table(
    "tally",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("readings", BigInteger, nullable=False),
)
