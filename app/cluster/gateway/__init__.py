"""The gateway: the public ports of a fleet whose shards are processes of their own."""

from app.cluster.gateway.container import GatewayContainer
from app.cluster.gateway.gateway import Gateway

__all__ = ["Gateway", "GatewayContainer"]
