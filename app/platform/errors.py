"""What goes wrong outside of this program, and what a caller does.

OperationalError        said in its one line; the task or command fails, and is tried again
├── EndpointError       the gateway could not reach this process: it does not begin
├── OwnerAwayError      nothing is taken of what is another shard's: it is handed on again later
└── DatabaseError       (FailsForAll) nothing was stored, or only its answer was lost
    ├── DatabaseUrlError        wrong settings: the command ends with 2
    ├── SharedSessionsError     the run does not begin: connect past the pooler
    ├── ShardError              nothing is opened: wrong settings, or the wrong store
    └── LeaseLostError          nothing more is stored or sent, and the process ends
FailsForAll             what one of many meets and the others would, too: end the fan-out
RunLockError            the lock cannot be taken: this run ends
└── AnotherRunError     another run has it
PoolerError             only between claim and database, which says SharedSessionsError
CertificateError        ValueError: wrong settings, the command ends with 2
TextFileError           ValueError: who reads the file adds its name, and says the line
"""

from __future__ import annotations


class OperationalError(RuntimeError):
    """What goes wrong outside of this program: one line says it, without a traceback."""


class FailsForAll(Exception):
    """What one of many meets and the others would meet, too: they need not be tried."""


class DatabaseError(OperationalError, FailsForAll):
    """The database cannot be used; one line says why, without its password."""


class DatabaseUrlError(DatabaseError):
    """DATABASE__URL cannot be used."""


class SharedSessionsError(DatabaseError):
    """What stands before the database shares its sessions: no run can be told from another."""


class ShardError(DatabaseError):
    """The store is that of another shard, or the fleet is cut otherwise; one line says which."""


class LeaseLostError(DatabaseError):
    """Another process runs this shard, or may do so: nothing more is stored or sent."""


class OwnerAwayError(OperationalError):
    """The owner of a shard does not answer, or cannot take what is handed on to it now."""


class PoolerError(RuntimeError):
    """What is connected to gives one session at the server to several of ours."""

    def __init__(self) -> None:
        super().__init__(
            "is reached through a pooler that shares its sessions (pgbouncer with"
            " pool_mode=transaction), so that two runs could not be told apart; connect to"
            " PostgreSQL itself, or use pool_mode=session"
        )


class RunLockError(RuntimeError):
    """Another `run` has the lock, or it cannot be taken; one line says which."""


class AnotherRunError(RunLockError):
    """Another `run` has the lock."""


class EndpointError(OperationalError):
    """The gateway could not reach this process; one line says why."""


class CertificateError(ValueError):
    """The files hold no certificate with its key; one line says why."""


class TextFileError(ValueError):
    """A file that cannot be read; one line says why, without its name and what is in it."""
