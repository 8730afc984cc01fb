"""The tables that tell shards apart, and owners of one shard: beside the schema, which has a
version of its own.

They are in the schemas REGISTRY and STORE; which those are, an engine's `schema_translate_map`
says.
"""

from __future__ import annotations

from typing import Any

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

from app.platform.columns import required_column

REGISTRY, STORE = "registry", "store"
registry_metadata, store_metadata = MetaData(), MetaData()


def _of_one_row(name: str, metadata: MetaData, schema: str, *columns: Column[Any]) -> Table:
    one = Column("one", Integer, CheckConstraint("one = 1"), primary_key=True, autoincrement=False)
    return Table(name, metadata, one, *columns, schema=schema)


sharding_table = _of_one_row(
    "sharding",
    registry_metadata,
    REGISTRY,
    required_column("fleet_id", Text),
    required_column("shards", Integer),
    required_column("hashed_by", Text),
)
"""Into how many shards the fleet is cut: one row."""
shard_table = Table(
    "shard",
    registry_metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    schema=REGISTRY,
)
"""The shards that have a store."""
reshard_table = _of_one_row(
    "reshard",
    registry_metadata,
    REGISTRY,
    required_column("shards_before", Integer),
    required_column("shards_after", Integer),
    required_column("fleet_id", Text),
    required_column("state", Text),
)
"""The last reshard, until it is finished; one row, whose state is one of those below."""
SWITCHING, DONE, UNDOING = "switching", "done", "undoing"
"""While stores are moved, and when they are in place."""
cluster_table = _of_one_row(
    "cluster",
    registry_metadata,
    REGISTRY,
    required_column("head", Text),
    required_column("version", Text),
    required_column("settings", Text),
    required_column("wanted", Text),
    required_column("seen", Text),
)
"""What an engine keeps running: one row. `head`: where nodes join; `version` and `settings`: what
all of them have to have; `wanted`: one of those below; `seen`: by the keeper, as JSON."""
RUNNING, STOPPED = "running", "stopped"
leaving_table = Table(
    "leaving_node",
    registry_metadata,
    Column("name", Text, primary_key=True),
    schema=REGISTRY,
)
"""The nodes that are about to leave the cluster."""
identity_table = _of_one_row(
    "shard_identity",
    store_metadata,
    STORE,
    required_column("fleet_id", Text),
    required_column("shards", Integer),
    required_column("number", Integer),
    required_column("hashed_by", Text),
)
"""Whose the store is: one row."""
lease_table = Table(
    "lease",
    store_metadata,
    Column("epoch", BigInteger, primary_key=True, autoincrement=False),
    required_column("holder", Text),
    required_column("address", Text),
    Column("expires_at", DateTime(timezone=True)),
    schema=STORE,
)
"""Who runs the shard: one row, whose `epoch` rises with each owner."""
TABLES_OF_SHARDS = frozenset((identity_table.name, lease_table.name))
"""In a store, beside those of its schema's version."""
