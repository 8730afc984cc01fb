"""What goes wrong, and what a caller does.

ClientGone              what was begun for it at a shard is broken off
GatewayError            (OperationalError) the gateway does not begin: the command ends with 1
"""

from __future__ import annotations

from app.platform import OperationalError


class ClientGone(Exception):
    """Who asked has gone in the middle of it."""


class GatewayError(OperationalError):
    """The gateway cannot begin; one line says why."""
