"""Whether this machine may be a node: what all nodes have to have in common."""

from __future__ import annotations

import hashlib
import os
import platform
import socket
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal, NamedTuple

from app.cluster.engine.errors import ClusterError, MembershipError
from app.cluster.engine.ray_start import Place
from app.cluster.engine.record import Begun, ClusterRecord, Common
from app.platform import LOOPBACK, GatewayToken, Registry, process_name

LOOPBACK_ADDRESS = "127.0.0.2"
"""Ray takes 127.0.0.1 for the address of the machine in its network."""
LOOPBACK_NETWORK = "127."
RESOURCE_DIGITS = 12
HOST_NEEDED = "GATEWAY__HOST: must be the address by which the other nodes reach this machine"


class Head(NamedTuple):
    """The head of a cluster."""

    at: str
    """Its host and port."""
    is_here: bool
    """Whether it is this machine."""


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

    def check(self, address: str | None, *, port: int, is_new: bool) -> Head:
        """The head of this machine: itself at that port (`address` None), or the one of the fleet.
        `is_new`: itself instead of the one before. MembershipError: this machine has to be changed;
        ClusterError: it is not like the head now; ShardError, DatabaseError."""
        own, begun = f"{self._ip_address()}:{port}", self._record.begun()
        is_known = begun is not None and begun.head == own and not _is_local(own)
        if address is None or is_known:
            self._check_head(own, is_new=is_new)
            return Head(own, is_here=True)
        return Head(self.head_to_join(), is_here=False)

    def _check_head(self, head: str, *, is_new: bool) -> None:
        self._check_shards()
        self._own()  # ClusterError: Ray is not installed
        begun = self._record.begun()
        if begun is None or (_host(begun.head) == _host(head) and not self._is_elsewhere(head)):
            return
        if not is_new:
            raise MembershipError(
                f"the head of this fleet is at {begun.head}: join it with --address"
                f" {begun.head}, or make this machine the head instead with --new-head"
            )
        if _is_local(head) and not _is_local(begun.head):
            raise MembershipError(HOST_NEEDED)

    def _is_elsewhere(self, head: str) -> bool:
        """Whether all nodes were on other machines, whose loopback address is the same."""
        seen = self._record.seen()
        hosts = {_host(node.name) for node in seen.nodes} if seen is not None else set()
        return _is_local(head) and bool(hosts) and _host(process_name()) not in hosts

    def head_to_join(self) -> str:
        """Host and port of the head of this fleet, where this machine may join it. Errors as of
        `check`."""
        self._check_shards()
        own, ip_address = self._own(), self._ip_address()
        if self._kind == "file":
            raise MembershipError(
                "DATABASE__URL: more than one node needs PostgreSQL, which all of them reach"
            )
        if not self._has_token:
            raise MembershipError(
                "GATEWAY__TOKEN: is what nodes know each other by: give all machines the same one"
            )
        begun = self._record.begun()
        if begun is None:
            raise ClusterError(
                f"no cluster has begun on the fleet in {self._registry.place}: call `ven-fleet"
                " cluster start` on the machine of the head first"
            )
        if _is_local(ip_address) and not _is_local(begun.head):
            raise MembershipError(HOST_NEEDED)
        if _is_local(begun.head) and not _is_local(ip_address):
            raise ClusterError(
                f"the head of this fleet is at {begun.head}, where only its own machine reaches it:"
                " give that one GATEWAY__HOST"
            )
        difference = _difference(begun.common, own)
        if difference is not None:
            raise ClusterError(difference)
        return begun.head

    def _check_shards(self) -> None:
        """Whether there are several, as many as the fleet has."""
        if self._shards == 1:
            raise MembershipError(
                "FLEET__SHARDS: is 1: the one process of the fleet needs no cluster"
            )
        self._registry.refuse_another_number(self._shards)

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
        if _is_local(found):
            raise MembershipError(
                f"GATEWAY__HOST: {self._host} is {found} on this machine: write the address by"
                " which the others reach it"
            )
        return found


def _host(name: str) -> str:
    """Of a head, or of a process."""
    return name.rpartition(":")[0]


def _is_local(address: str) -> bool:
    """Whether only its own machine reaches it."""
    return address.startswith(LOOPBACK_NETWORK)


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
