"""The fleet's tables, as queries name them; `app.platform.migrations` makes them."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, ForeignKey, MetaData, String, Table, Text

metadata = MetaData()
ven_table = Table(
    "ven",
    metadata,
    Column("ven_key", BigInteger, primary_key=True),
    Column("ven_name", String(128)),
    Column("status", String(16)),
    Column("vtn_ven_id", String(128)),
)
resource_table = Table(
    "resource",
    metadata,
    Column("resource_key", BigInteger, primary_key=True),
    Column("ven_key", BigInteger, ForeignKey("ven.ven_key")),
    Column("resource_name", String(128)),
    Column("kind", String(32)),
    Column("meter_point_id", Text),
    Column("latitude", Float),
    Column("longitude", Float),
    Column("address", Text),
    Column("power_min_kw", Float),
    Column("power_max_kw", Float),
    Column("energy_min_kwh", Float),
    Column("energy_max_kwh", Float),
    Column("status", String(16)),
    Column("vtn_resource_id", String(128)),
    Column("changed_revision", BigInteger),
)
