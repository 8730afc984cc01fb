"""Shards: the parts that a fleet is cut into, whose stores are whose, and who runs which."""

from app.platform.shards.client import Answer, Owners, ShardClient
from app.platform.shards.each import EachShard
from app.platform.shards.endpoint import (
    CALLBACK,
    CLIENT_HEADER,
    INTAKE,
    PAGE,
    Address,
    Endpoint,
    NoEndpoint,
    ShardEndpoint,
)
from app.platform.shards.fence import NO_FENCE, Fence, NoFence
from app.platform.shards.gateway_key import KEY_HEADER, GatewayToken
from app.platform.shards.machine import process_name
from app.platform.shards.owners import FileOwners, ReadsOwners, ServerOwners, ShardOwner
from app.platform.shards.schema import TABLES_OF_SHARDS
from app.platform.shards.shard import HASHED_BY, THE_FLEET, Shard, shard_of
from app.platform.shards.store import (
    ANY_STORE,
    AnyStore,
    KeeperStore,
    Registry,
    ShardStore,
    Store,
    WholeStore,
)

__all__ = [
    "ANY_STORE",
    "CALLBACK",
    "CLIENT_HEADER",
    "HASHED_BY",
    "INTAKE",
    "KEY_HEADER",
    "NO_FENCE",
    "PAGE",
    "TABLES_OF_SHARDS",
    "THE_FLEET",
    "Address",
    "Answer",
    "AnyStore",
    "EachShard",
    "Endpoint",
    "Fence",
    "FileOwners",
    "GatewayToken",
    "KeeperStore",
    "NoEndpoint",
    "NoFence",
    "Owners",
    "ReadsOwners",
    "Registry",
    "ServerOwners",
    "Shard",
    "ShardClient",
    "ShardEndpoint",
    "ShardOwner",
    "ShardStore",
    "Store",
    "WholeStore",
    "process_name",
    "shard_of",
]
