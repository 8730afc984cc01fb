"""Shards: the parts that a fleet is cut into, whose stores are whose, and who runs which."""

from app.platform.shards.each import EachShard
from app.platform.shards.fence import NO_FENCE, Fence, NoFence
from app.platform.shards.schema import TABLES_OF_SHARDS
from app.platform.shards.shard import HASHED_BY, THE_FLEET, Shard, shard_of
from app.platform.shards.store import ANY_STORE, AnyStore, Registry, ShardStore, Store, WholeStore

__all__ = [
    "ANY_STORE",
    "HASHED_BY",
    "NO_FENCE",
    "TABLES_OF_SHARDS",
    "THE_FLEET",
    "AnyStore",
    "EachShard",
    "Fence",
    "NoFence",
    "Registry",
    "Shard",
    "ShardStore",
    "Store",
    "WholeStore",
    "shard_of",
]
