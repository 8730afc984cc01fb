"""The tables of what is owed as they are now; `app.platform.migrations` makes them."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, MetaData, String, Text, UniqueConstraint, text

from app.platform.columns import needed, numbered, table

metadata = MetaData()
KEY_COLUMNS = ("ven_name", "event_id", "descriptor", "heir_of")
"""What tells streams apart."""
stream_table = table(
    metadata,
    "stream",
    numbered("stream_id"),
    needed("cursor_seq", BigInteger),
    needed("cursor_column", BigInteger),
    needed("ven_name", String(128)),
    needed("event_id", String(128)),
    needed("descriptor", String(300)),
    needed("heir_of", String(128)),
    needed("request", Text),
    needed("start_seq", BigInteger),
    Column("until_seq", BigInteger),
    Column("reports_left", BigInteger),
    needed("reports_sent", BigInteger),
    Column("last_report", String(128)),
    Column("in_flight", Text),
    Column("ended_at_us", BigInteger),
    needed("done_us", BigInteger, server_default=text("0")),
    needed("done_column", BigInteger, server_default=text("0")),
    UniqueConstraint(*KEY_COLUMNS),
)
tally_table = table(
    metadata,
    "tally",
    Column("name", String(64), primary_key=True),
    needed("readings", BigInteger),
)
