"""The fleet's tables as they are now; `app.platform.migrations` makes them."""

from __future__ import annotations

from sqlalchemy import (
    DOUBLE_PRECISION,
    BigInteger,
    Column,
    ForeignKey,
    Index,
    MetaData,
    String,
    Text,
    UniqueConstraint,
    text,
)

from app.platform import key_column, required_column, table

metadata = MetaData()
fleet_table = table(metadata, "fleet", required_column("revision", BigInteger))
ven_table = table(
    metadata,
    "ven",
    key_column("ven_key"),
    required_column("ven_name", String(128), unique=True),
    required_column("status", String(16)),
    Column("vtn_ven_id", String(128)),
)
resource_table = table(
    metadata,
    "resource",
    key_column("resource_key"),
    Column("ven_key", BigInteger, ForeignKey("ven.ven_key"), nullable=False),
    required_column("resource_name", String(128)),
    required_column("kind", String(32)),
    required_column("meter_point_id", Text),
    Column("latitude", DOUBLE_PRECISION),
    Column("longitude", DOUBLE_PRECISION),
    required_column("address", Text),
    required_column("power_min_kw", DOUBLE_PRECISION),
    required_column("power_max_kw", DOUBLE_PRECISION),
    required_column("energy_min_kwh", DOUBLE_PRECISION),
    required_column("energy_max_kwh", DOUBLE_PRECISION),
    required_column("status", String(16)),
    Column("vtn_resource_id", String(128)),
    required_column("changed_revision", BigInteger, server_default=text("0")),
    required_column("source", String(64), server_default=text("'simulator'")),
    required_column("device", String(256), server_default=text("''")),
    required_column("actuator", String(64), server_default=text("''")),
    required_column("ramp_kw_per_min", DOUBLE_PRECISION, server_default=text("0")),
    required_column("min_on_s", BigInteger, server_default=text("0")),
    required_column("min_off_s", BigInteger, server_default=text("0")),
    UniqueConstraint("ven_key", "resource_name"),
)
enrolled_again_table = table(
    metadata,
    "enrolled_again",
    Column("ven_name", String(128), primary_key=True),
    Column("resource_name", String(128), primary_key=True),
    required_column("at_us", BigInteger),
)
opt_out_table = table(
    metadata,
    "opt_out",
    Column("ven_name", String(128), primary_key=True),
    Column("resource_name", String(128), primary_key=True),
    Column("set_by", String(16), primary_key=True),
    required_column("reason", Text),
    required_column("since_us", BigInteger),
    Column("until_us", BigInteger),
)
released_table = table(
    metadata,
    "released",
    Column("ven_name", String(128), primary_key=True),
    Column("resource_name", String(128), primary_key=True),
    required_column("since_us", BigInteger),
)
participation_state_table = table(
    metadata, "participation_state", required_column("revision", BigInteger)
)
WITH_METER = text("source <> 'simulator'")
Index(
    "resource_of_source",
    resource_table.c.source,
    sqlite_where=WITH_METER,
    postgresql_where=WITH_METER,
)
WITH_ACTUATOR = text("actuator <> ''")
Index(
    "resource_of_actuator",
    resource_table.c.actuator,
    sqlite_where=WITH_ACTUATOR,
    postgresql_where=WITH_ACTUATOR,
)
OTHER = text("status <> 'APPROVED'")
Index(
    "other_ven", ven_table.c.ven_key, ven_table.c.status, sqlite_where=OTHER, postgresql_where=OTHER
)
Index(
    "other_resource",
    resource_table.c.ven_key,
    resource_table.c.status,
    sqlite_where=OTHER,
    postgresql_where=OTHER,
)
CHANGED = text("changed_revision <> 0")
Index(
    "changed_resource",
    resource_table.c.ven_key,
    sqlite_where=CHANGED,
    postgresql_where=CHANGED,
)
