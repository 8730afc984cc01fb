"""What keeps the processes of shards running, on one machine or on many: Ray."""

from app.cluster.engine.background import Background
from app.cluster.engine.container import EngineContainer
from app.cluster.engine.errors import ClusterError, EngineError, MembershipError, NewHeadError
from app.cluster.engine.keeper import Keeper
from app.cluster.engine.membership import Membership
from app.cluster.engine.model import GATEWAY, KEEPER, SHARD, Node, Said
from app.cluster.engine.ray_start import ALL_KEEPERS
from app.cluster.engine.record import ClusterRecord, Common, Seen
from app.cluster.engine.rounds import Rounds

__all__ = [
    "ALL_KEEPERS",
    "GATEWAY",
    "KEEPER",
    "SHARD",
    "Background",
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
]
