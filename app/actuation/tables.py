"""The tables of this room as they are now; `app.platform.migrations` makes them."""

from __future__ import annotations

from sqlalchemy import DOUBLE_PRECISION, BigInteger, Column, MetaData, String, Text, text

from app.platform import required_column, table

metadata = MetaData()
device_order_table = table(
    metadata,
    "device_order",
    Column("ven_name", String(128), primary_key=True),
    Column("resource_name", String(128), primary_key=True),
    required_column("actuator", String(64)),
    required_column("seq", BigInteger),
    Column("desired", Text),
    required_column("status", String(16)),
    required_column("reason", Text),
    required_column("baseline_kw", DOUBLE_PRECISION),
    Column("stored_kwh", DOUBLE_PRECISION),
    required_column("stored_at_us", BigInteger),
    required_column("issued_at_us", BigInteger),
    required_column("switched_at_us", BigInteger),
    required_column("valid_for_us", BigInteger, server_default=text("3600000000")),
    required_column("until_us", BigInteger),
)
order_state_table = table(
    metadata,
    "order_state",
    required_column("run", String(32)),
    required_column("last_seq", BigInteger),
)
