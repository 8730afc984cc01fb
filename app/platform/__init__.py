"""What every room stands on: database, run lock, shutdown, threads, servers, files. Knows no
other room but observability."""

from app.platform.asgi import TRY_AGAIN_LATER, AsgiServer, Listener, bounded_body, refuse
from app.platform.columns import key_column, required_column, table
from app.platform.container import PlatformContainer
from app.platform.database import Database, make_engine
from app.platform.durations import IsoDuration, iso_duration
from app.platform.errors import (
    CertificateError,
    DatabaseError,
    DatabaseUrlError,
    EndpointError,
    FailsForAll,
    LeaseLostError,
    OperationalError,
    OwnerAwayError,
    RunLockError,
    ShardError,
    SharedSessionsError,
    TextFileError,
)
from app.platform.fanout import FanOut
from app.platform.json_bytes import json_bytes
from app.platform.locks import LockPerName
from app.platform.log_once import LogOnce
from app.platform.loopback import LOOPBACK
from app.platform.migrations import MIGRATIONS, Migration
from app.platform.periodic import PeriodicThread
from app.platform.place import is_server, one_line
from app.platform.ports import port
from app.platform.progress import MakeBar, Progress, no_bar, no_progress
from app.platform.run_lock import RunLock
from app.platform.secret_file import is_same_secret, make_private_file, read_or_make
from app.platform.servers import NoServer, Server
from app.platform.shards import (
    CALLBACK,
    CLIENT_HEADER,
    HASHED_BY,
    INTAKE,
    KEY_HEADER,
    NO_FENCE,
    PAGE,
    THE_FLEET,
    Address,
    Answer,
    AnyStore,
    EachShard,
    Endpoint,
    Fence,
    GatewayToken,
    Owners,
    ReadsOwners,
    Registry,
    Shard,
    ShardClient,
    ShardOwner,
    process_name,
    shard_of,
)
from app.platform.shards import schema as shard_tables
from app.platform.shutdown import Shutdown
from app.platform.systemd import SystemdNotifier
from app.platform.tables_file import TablesFile, first_problem
from app.platform.text_file import read_text
from app.platform.time_zones import time_zone
from app.platform.timestamps import from_us, to_us, utc_now

__all__ = [
    "CALLBACK",
    "CLIENT_HEADER",
    "HASHED_BY",
    "INTAKE",
    "KEY_HEADER",
    "LOOPBACK",
    "MIGRATIONS",
    "NO_FENCE",
    "PAGE",
    "THE_FLEET",
    "TRY_AGAIN_LATER",
    "Address",
    "Answer",
    "AnyStore",
    "AsgiServer",
    "CertificateError",
    "Database",
    "DatabaseError",
    "DatabaseUrlError",
    "EachShard",
    "Endpoint",
    "EndpointError",
    "FailsForAll",
    "FanOut",
    "Fence",
    "GatewayToken",
    "IsoDuration",
    "LeaseLostError",
    "Listener",
    "LockPerName",
    "LogOnce",
    "MakeBar",
    "Migration",
    "NoServer",
    "OperationalError",
    "OwnerAwayError",
    "Owners",
    "PeriodicThread",
    "PlatformContainer",
    "Progress",
    "ReadsOwners",
    "Registry",
    "RunLock",
    "RunLockError",
    "Server",
    "Shard",
    "ShardClient",
    "ShardError",
    "ShardOwner",
    "SharedSessionsError",
    "Shutdown",
    "SystemdNotifier",
    "TablesFile",
    "TextFileError",
    "bounded_body",
    "first_problem",
    "from_us",
    "is_same_secret",
    "is_server",
    "iso_duration",
    "json_bytes",
    "key_column",
    "make_engine",
    "make_private_file",
    "no_bar",
    "no_progress",
    "one_line",
    "port",
    "process_name",
    "read_or_make",
    "read_text",
    "refuse",
    "required_column",
    "shard_of",
    "shard_tables",
    "table",
    "time_zone",
    "to_us",
    "utc_now",
]
