"""The tables of events as they are now; `app.platform.migrations` makes them."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, MetaData, String, Text, text

from app.platform import required_column, table

metadata = MetaData()
event_table = table(
    metadata,
    "event",
    Column("ven_name", String(128), primary_key=True),
    Column("event_id", String(128), primary_key=True),
    required_column("body", Text),
    required_column("first_seen_us", BigInteger),
    required_column("had_time", Integer, server_default=text("1")),
)
ven_view_table = table(
    metadata,
    "ven_view",
    Column("ven_name", String(128), primary_key=True),
    required_column("body", Text),
)
