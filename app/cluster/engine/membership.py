"""Whether this machine may be a node: what all nodes have to have in common."""

from __future__ import annotations

import hashlib
import os
import platform
import socket
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

from app.cluster.engine.errors import ClusterError, MembershipError
from app.cluster.engine.ray_start import Place
from app.cluster.engine.record import Begun, ClusterRecord, Common
from app.platform import LOOPBACK, GatewayToken, Registry

LOOPBACK_ADDRESS = "127.0.0.2"
"""Ray takes 127.0.0.1 for the address of the machine in its network."""
LOOPBACK_NETWORK = "127."
RESOURCE_DIGITS = 12


class Membership:
    """Compares this machine with the head, and gives Ray what only members have.

    `host`: by which others reach this machine; `kind`: of the fleet's database, a server that
    several machines reach, or a file; `has_token`: whether `token` is a setting, and not a file
    that this machine has made; `digests`: of the settings, with a key.
    """

    def __init__(
        self,
        *,
        shards: int,
        host: str,
        kind: Literal["file", "server"],
        has_token: bool,
        token: GatewayToken,
        digests: Callable[[bytes], Mapping[str, str]],
        registry: Registry,
        record: ClusterRecord,
    ) -> None:
        self._shards = shards
        self._host = host
        self._kind = kind
        self._has_token = has_token
        self._token = token
        self._digests = digests
        self._registry = registry
        self._record = record

    def check(self, head: str | None) -> None:
        """Whether this machine may be the head (None), or a node of that head. MembershipError: it
        has to be changed; ClusterError: it is not like the head now; ShardError, DatabaseError."""
        if self._shards == 1:
            raise MembershipError(
                "FLEET__SHARDS: is 1: the one process of the fleet needs no cluster"
            )
        self._registry.refuse_another_number(self._shards)
        own, ip_address = self._own(), self._ip_address()
        if head is None:
            return
        if self._kind == "file":
            raise MembershipError(
                "DATABASE__URL: more than one node needs PostgreSQL, which all of them reach"
            )
        if not self._has_token:
            raise MembershipError(
                "GATEWAY__TOKEN: is what nodes know each other by: give all machines the same one"
            )
        if ip_address.startswith(LOOPBACK_NETWORK) and not head.startswith(LOOPBACK_NETWORK):
            raise MembershipError(
                "GATEWAY__HOST: must be the address by which the other nodes reach this machine"
            )
        begun = self._record.begun()
        if begun is None:
            raise ClusterError(
                f"no cluster has begun on the fleet in {self._registry.place}: call `ven-fleet"
                " cluster start` on the machine of the head first"
            )
        if _resolved(head) != begun.head:
            raise ClusterError(f"{head} is not the head of this fleet, which is at {begun.head}")
        difference = _difference(begun.common, own)
        if difference is not None:
            raise ClusterError(difference)

    def difference(self) -> str | None:
        """What is not as it is at the head by now, in words; None: nothing. DatabaseError."""
        begun = self._record.begun()
        return None if begun is None else _difference(begun.common, self._own())

    def is_as_before(self, head: str) -> bool:
        """Whether the last head was this one, with the same version and settings: what it has kept,
        its supervisors, is only begun again on nodes like that. DatabaseError."""
        before = self._record.begun()
        return before == Begun(head, self._own())

    def begin(self, head: str) -> None:
        """This machine is the head: others may join there. DatabaseError, ClusterError."""
        self._record.begin(head, self._own())

    def resource(self) -> str:
        """What Ray knows nodes by that are members, and no others. ClusterError, DatabaseError."""
        begun = self._record.begun()
        if begun is None:
            raise ClusterError("no cluster has begun on this fleet")
        text = repr((begun.common.version, sorted(begun.common.settings.items())))
        return f"ven_fleet_{hashlib.sha256(text.encode()).hexdigest()[:RESOURCE_DIGITS]}"

    def place(self, directory: Path) -> Place:
        """Where Ray is on this machine; writes its token there. ClusterError."""
        token_file = directory / "token"
        descriptor = os.open(token_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(self._secret("Ray").hex())
        return Place(directory, token_file, self._ip_address())

    def _own(self) -> Common:
        try:
            ours, ray = version("ven-fleet"), version("ray")
        except PackageNotFoundError as error:
            raise ClusterError(
                f"{error.name} is not installed: pip install 'ven-fleet[cluster]'"
            ) from None
        versions = f"ven-fleet {ours}, Ray {ray}, Python {platform.python_version()}"
        return Common(versions, self._digests(self._secret("settings")))

    def _secret(self, purpose: str) -> bytes:
        try:
            return self._token.derived(purpose)
        except OSError as error:
            raise ClusterError(
                f"the token of the gateway cannot be read: {error.strerror}; see DATA_DIR and"
                " GATEWAY__TOKEN"
            ) from None

    def _ip_address(self) -> str:
        if self._host in LOOPBACK:
            return LOOPBACK_ADDRESS
        try:
            found = str(socket.gethostbyname(self._host))
        except OSError as error:
            raise ClusterError(f"GATEWAY__HOST: {self._host}: {error.strerror}") from None
        if found.startswith(LOOPBACK_NETWORK):
            raise MembershipError(
                f"GATEWAY__HOST: {self._host} is {found} on this machine: write the address by"
                " which the others reach it"
            )
        return found


def _resolved(head: str) -> str:
    """Its host as an address, where that can be found out."""
    host, _, port = head.rpartition(":")
    try:
        return f"{socket.gethostbyname(host)}:{port}"
    except OSError:
        return head


def _difference(common: Common, own: Common) -> str | None:
    """In words; None: there is none."""
    if common.version != own.version:
        return f"the head has {common.version}, this machine {own.version}: install the same"
    names = sorted(common.settings.keys() | own.settings.keys())
    differ = [name for name in names if common.settings.get(name) != own.settings.get(name)]
    if "GATEWAY__TOKEN" in differ:  # by which all others differ, too
        return "GATEWAY__TOKEN: is not that of the head"
    if not differ:
        return None
    verb = "differs" if len(differ) == 1 else "differ"
    return f"{', '.join(differ)}: {verb} from the head's: give this machine the same settings"
