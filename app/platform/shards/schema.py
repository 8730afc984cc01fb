"""The tables that tell shards apart, and owners of one shard: beside the schema, which has a
version of its own.

They are in the schemas REGISTRY and STORE; which those are, an engine's `schema_translate_map`
says.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Integer,
    MetaData,
    Table,
    Text,
)

REGISTRY, STORE = "registry", "store"
registry_metadata, store_metadata = MetaData(), MetaData()

sharding_table = Table(
    "sharding",
    registry_metadata,
    Column("one", Integer, CheckConstraint("one = 1"), primary_key=True, autoincrement=False),
    Column("fleet_id", Text, nullable=False),
    Column("shards", Integer, nullable=False),
    Column("hashed_by", Text, nullable=False),
    schema=REGISTRY,
)
"""Into how many shards the fleet is cut: one row."""
shard_table = Table(
    "shard",
    registry_metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    schema=REGISTRY,
)
"""The shards that have a store."""
reshard_table = Table(
    "reshard",
    registry_metadata,
    Column("one", Integer, CheckConstraint("one = 1"), primary_key=True, autoincrement=False),
    Column("shards_before", Integer, nullable=False),
    Column("shards_after", Integer, nullable=False),
    Column("fleet_id", Text, nullable=False),
    Column("state", Text, nullable=False),
    schema=REGISTRY,
)
"""The last reshard, until it is finished; one row, whose state is one of those below."""
SWITCHING, DONE, UNDOING = "switching", "done", "undoing"
"""While stores are moved, and when they are in place."""
identity_table = Table(
    "shard_identity",
    store_metadata,
    Column("one", Integer, CheckConstraint("one = 1"), primary_key=True, autoincrement=False),
    Column("fleet_id", Text, nullable=False),
    Column("shards", Integer, nullable=False),
    Column("number", Integer, nullable=False),
    Column("hashed_by", Text, nullable=False),
    schema=STORE,
)
"""Whose the store is: one row."""
lease_table = Table(
    "lease",
    store_metadata,
    Column("epoch", BigInteger, primary_key=True, autoincrement=False),
    Column("holder", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("expires_at", DateTime(timezone=True)),
    schema=STORE,
)
"""Who runs the shard: one row, whose `epoch` rises with each owner."""
TABLES_OF_SHARDS = frozenset((identity_table.name, lease_table.name))
"""In a store, beside those of its schema's version."""
