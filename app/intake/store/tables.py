"""The tables of measurements as they are now; `app.platform.migrations` makes them."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    LargeBinary,
    MetaData,
    String,
    Text,
    UniqueConstraint,
    text,
)

from app.platform import required_column, table

metadata = MetaData()


def _given_key(name: str) -> Column[int]:
    """A key that we number ourselves."""
    return Column(name, BigInteger, primary_key=True, autoincrement=False)


state_table = table(
    metadata,
    "measurement_state",
    required_column("newest_seq", BigInteger),
    required_column("compacted_seq", BigInteger),
    required_column("newest_import", BigInteger),
    required_column("bytes", BigInteger),
    required_column("told_seq", BigInteger, server_default=text("0")),
    Column("owed_from_us", BigInteger),
)
series_table = table(
    metadata,
    "measurement_series",
    _given_key("series_id"),
    required_column("ven_name", String(128)),
    required_column("resource_name", String(128)),
    required_column("quantity", String(16)),
    required_column("direction", String(8)),
    required_column("channel", String(64)),
    required_column("newest_end_us", BigInteger),
    required_column("longest_us", BigInteger),
    required_column("shortest_us", BigInteger, server_default=text("0")),
    UniqueConstraint("ven_name", "resource_name", "quantity", "direction", "channel"),
)
code_table = table(
    metadata,
    "measurement_code",
    _given_key("code_id"),
    required_column("code", String(64), unique=True),
)
batch_table = table(
    metadata,
    "measurement_batch",
    _given_key("seq"),
    required_column("taken_at_us", BigInteger),
    required_column("body", LargeBinary),
)
day_table = table(
    metadata,
    "measurement_day",
    Column("series_id", BigInteger, primary_key=True, autoincrement=False),
    Column("day", BigInteger, primary_key=True),
    Column("import_id", BigInteger, primary_key=True),
    required_column("taken_at_us", BigInteger),
    required_column("body", LargeBinary),
)
Index("measurement_day_by_age", day_table.c.taken_at_us)
OF_IMPORT = text("import_id <> 0")
Index(
    "measurement_day_of_import",
    day_table.c.import_id,
    sqlite_where=OF_IMPORT,
    postgresql_where=OF_IMPORT,
)
import_table = table(
    metadata,
    "measurement_import",
    _given_key("import_id"),
    required_column("digest", String(64), unique=True),
    required_column("begun_at_us", BigInteger),
    required_column("touched_at_us", BigInteger),
    required_column("owner", String(64)),
    required_column("values_staged", BigInteger),
    required_column("published_seq", BigInteger),
    required_column("state", String(16)),
    required_column("receipt", Text),
)
unknown_device_table = table(
    metadata,
    "unknown_device",
    Column("source", String(64), primary_key=True),
    Column("device", String(256), primary_key=True),
    required_column("first_seen_us", BigInteger),
    required_column("last_seen_us", BigInteger),
    required_column("refused", BigInteger),
)
