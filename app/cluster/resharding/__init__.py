"""How the stores of a fleet are cut into more."""

from app.cluster.resharding.errors import ReshardError
from app.cluster.resharding.reshard import Reshard, Resharded
from app.cluster.resharding.stores import FileStores, SchemaMoves, SchemaStores

__all__ = [
    "FileStores",
    "Reshard",
    "ReshardError",
    "Resharded",
    "SchemaMoves",
    "SchemaStores",
]
