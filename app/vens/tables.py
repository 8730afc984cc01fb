"""The table of what is on its way out; `app.platform.migrations` makes it."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, MetaData, String

from app.platform.columns import needed, table

metadata = MetaData()
removal_table = table(
    metadata,
    "removal",
    Column("ven_name", String(128), primary_key=True),
    Column("resource_name", String(128), primary_key=True),
    needed("begun_at_us", BigInteger),
    needed("through_seq", BigInteger),
    needed("keep_at_vtn", Integer),
    needed("drop_owed", Integer),
)
