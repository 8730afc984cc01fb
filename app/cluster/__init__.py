"""A fleet in several processes: how its stores are cut into more, and the gateway to all."""

from app.cluster.errors import GatewayError, ReshardError
from app.cluster.gateway import Gateway, GatewayContainer
from app.cluster.reshard import Reshard, Resharded
from app.cluster.stores import FileStores, SchemaMoves, SchemaStores

__all__ = [
    "FileStores",
    "Gateway",
    "GatewayContainer",
    "GatewayError",
    "Reshard",
    "ReshardError",
    "Resharded",
    "SchemaMoves",
    "SchemaStores",
]
