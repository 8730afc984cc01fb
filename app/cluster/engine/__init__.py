"""What keeps the processes of shards running, on one machine or on many: Ray."""

from app.cluster.engine.background import Background
from app.cluster.engine.container import EngineContainer
from app.cluster.engine.errors import ClusterError, EngineError, MembershipError, NewHeadError
from app.cluster.engine.keeper import Keeper
from app.cluster.engine.membership import Membership
from app.cluster.engine.model import Node, Said, is_gateway, shard_number
from app.cluster.engine.ray_start import ALL_KEEPERS
from app.cluster.engine.record import Begun, ClusterRecord, Common, Seen
from app.cluster.engine.rounds import Rounds

__all__ = [
    "ALL_KEEPERS",
    "Background",
    "Begun",
    "ClusterError",
    "ClusterRecord",
    "Common",
    "EngineContainer",
    "EngineError",
    "Keeper",
    "Membership",
    "MembershipError",
    "NewHeadError",
    "Node",
    "Rounds",
    "Said",
    "Seen",
    "is_gateway",
    "shard_number",
]
