"""The tables of the log as they are now; `app.platform.migrations` makes them."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
)

from app.platform import key_column, required_column, table

metadata = MetaData()
roster_table = table(
    metadata, "roster", key_column("roster_id"), required_column("body", LargeBinary)
)
frame_table = table(
    metadata,
    "frame",
    key_column("seq"),
    required_column("taken_at_us", BigInteger, unique=True),
    required_column("profile_index", Integer),
    Column("roster_id", BigInteger, ForeignKey("roster.roster_id"), nullable=False),
    required_column("power_kw", LargeBinary),
    Column("detail", LargeBinary),
    never_again=True,
)
slice_table = table(
    metadata,
    "slice",
    Column("ven_name", String(128), primary_key=True),
    Column("seq", BigInteger, primary_key=True),
    required_column("taken_at_us", BigInteger),
    Column("roster_id", BigInteger, ForeignKey("roster.roster_id"), nullable=False),
    required_column("power_kw", LargeBinary),
    Column("detail", LargeBinary),
)
Index("slice_by_seq", slice_table.c.seq)
