"""The table of what is on its way out; `app.platform.migrations` makes it."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, MetaData, String

from app.platform import required_column, table

metadata = MetaData()
removal_table = table(
    metadata,
    "removal",
    Column("ven_name", String(128), primary_key=True),
    Column("resource_name", String(128), primary_key=True),
    required_column("begun_at_us", BigInteger),
    required_column("through_seq", BigInteger),
    required_column("keep_at_vtn", Integer),
    required_column("drop_owed", Integer),
)
