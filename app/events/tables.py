"""The tables of events as they are now; `app.platform.migrations` makes them."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, MetaData, String, Text, text

from app.platform.columns import needed, table

metadata = MetaData()
event_table = table(
    metadata,
    "event",
    Column("ven_name", String(128), primary_key=True),
    Column("event_id", String(128), primary_key=True),
    needed("body", Text),
    needed("first_seen_us", BigInteger),
    needed("had_time", Integer, server_default=text("1")),
)
ven_view_table = table(
    metadata,
    "ven_view",
    Column("ven_name", String(128), primary_key=True),
    needed("body", Text),
)
