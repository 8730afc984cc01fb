"""A fleet in several processes: how its stores are cut into more."""

from app.cluster.errors import ReshardError
from app.cluster.reshard import Reshard, Resharded
from app.cluster.stores import FileStores, SchemaMoves, SchemaStores

__all__ = ["FileStores", "Reshard", "ReshardError", "Resharded", "SchemaMoves", "SchemaStores"]
