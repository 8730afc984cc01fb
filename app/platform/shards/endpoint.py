"""Where the gateway reaches the process of a shard."""

from __future__ import annotations

import json
import logging
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from app.platform.asgi import AsgiServer, Listener, refuse
from app.platform.errors import CertificateError, EndpointError
from app.platform.loopback import LOOPBACK
from app.platform.secret_file import is_same_secret
from app.platform.shards.gateway_key import KEY_HEADER, GatewayToken
from app.platform.shards.machine import BOOT_ID
from app.platform.shards.shard import Shard

logger = logging.getLogger(__name__)
NETWORK = Path("/proc/self/ns/net")
CLIENT_HEADER = "x-gateway-client"
"""Who asked the gateway."""
PAGE, INTAKE, CALLBACK = PARTS = ("page", "intake", "callback")
ALIVE, READY = "/healthz", "/readyz"
OPEN = frozenset((ALIVE, READY))
"""For systemd, Kubernetes and the like, which have no key."""
EVERY_INTERFACE = "::" if socket.has_dualstack_ipv6() else "0.0.0.0"  # nosec B104
MAX_REQUESTS = 700
"""At a time: of pages, of readings and of callbacks."""


class Address(NamedTuple):
    """Where the owner of a shard listens."""

    host: str
    port: int
    network: str = ""
    """Of an address on loopback: the machine and the network namespace that it is in; elsewhere
    another process may have it."""

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}{f'%{self.network}' if self.network else ''}"

    @classmethod
    def read(cls, text: str) -> Address | None:
        """As `str` writes it; None: it is none."""
        place, _, network = text.partition("%")
        host, _, port = place.rpartition(":")
        if not host or not port.isdigit():
            return None
        return cls(host.removeprefix("[").removesuffix("]"), int(port), network)

    @property
    def is_loopback(self) -> bool:
        """Whether only its machine reaches it."""
        return self.host in LOOPBACK

    @property
    def is_reachable(self) -> bool:
        """Whether it can be this very one that is reached from here."""
        return not self.is_loopback or self.network == this_network()

    @property
    def url(self) -> str:
        """Without a path: plain http where nothing leaves the machine, else TLS."""
        scheme = "http" if self.is_loopback else "https"
        return f"{scheme}://{self._replace(network='')!s}"


def this_network() -> str:
    """Of this process: the start of its machine, and the namespace of its network."""
    return f"{BOOT_ID.read_text().strip()}/{os.stat(NETWORK).st_ino}"


class Endpoint(Protocol):
    """Where a process is reached by its gateway, or nothing."""

    def listen(self) -> None:
        """Before the process is the owner of its shard. EndpointError."""

    def address(self) -> str:
        """Of `listen`; blank: it is not reached."""

    def open(self, epoch: int | None) -> None:
        """From now on it is the owner, of this epoch."""

    def close(self) -> None:
        """Stop listening. May be called again."""


class NoEndpoint:
    """Of a fleet that is not cut: it has ports of its own."""

    def listen(self) -> None:
        """Nothing to listen for."""

    def address(self) -> str:
        return ""

    def open(self, epoch: int | None) -> None:
        """Nobody asks."""

    def close(self) -> None:
        """Nothing to stop."""


class ShardEndpoint:
    """One address for all that the gateway asks of a shard. Building it does no I/O.

    `host`: by which this machine is reached; `port`: 0 for any that is free. Each part has a key of
    its own; whoever has none is told only whether the process is alive and ready.
    """

    def __init__(
        self,
        *,
        shard: Shard,
        host: str,
        port: int,
        certificate: Path | None,
        key: Path | None,
        token: GatewayToken,
    ) -> None:
        self._shard = shard
        self._host = host
        self._is_loopback = host in LOOPBACK
        self._token = token
        self._keys: Mapping[str, str] = {}
        self._applications: dict[str, Any] = {}
        self._server = AsgiServer(
            # A machine's own name may be an address that only itself reaches (127.0.1.1).
            host=host if self._is_loopback else EVERY_INTERFACE,
            port=port,
            name="endpoint",
            certificate=None if self._is_loopback else certificate,
            key=None if self._is_loopback else key,
            max_requests=MAX_REQUESTS,
            always=OPEN,
        )

    def listen(self) -> None:
        """Take the address, and answer that the process is alive. EndpointError: it cannot."""
        if self._server.is_serving:
            return
        try:
            self._server.listen()
        except CertificateError as error:
            raise EndpointError(
                f"GATEWAY__CERTIFICATE or GATEWAY__KEY cannot be used: {error}"
            ) from None
        except OSError as error:
            raise EndpointError(
                f"the gateway cannot be listened for at {self._host}: {error.strerror}; see"
                " GATEWAY__HOST and GATEWAY__PORT"
            ) from None
        self._server.serve(self._answer)

    def address(self) -> str:
        if not self._server.is_serving:
            return ""
        network = this_network() if self._is_loopback else ""
        return str(Address(self._host, self._server.port, network))

    def open(self, epoch: int | None) -> None:
        """Who has a key of this epoch is let in. EndpointError: there is no token."""
        if epoch is None:
            return
        about: dict[str, Any] = {
            "shard": self._shard.number,
            "of": self._shard.of,
            "epoch": epoch,
            "address": self.address(),
        }
        try:
            self._keys = {part: self._token.key(**about, part=part) for part in PARTS}
        except OSError as error:
            raise EndpointError(
                f"the token of the gateway cannot be read: {error.strerror}; see DATA_DIR and"
                " GATEWAY__TOKEN"
            ) from None
        logger.info("the gateway reaches this process at %s:%d", self._host, self._server.port)

    def close(self) -> None:
        self._keys = {}
        self._server.close()

    def part(self, name: str) -> Listener:
        """What answers paths below /name, one of PARTS."""
        return _Part(self._applications, name)

    async def _answer(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] in OPEN and scope["type"] == "http":
            await self._say_how_it_is(scope, receive, send)
            return
        part, _, rest = scope["path"].removeprefix("/").partition("/")
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        if not is_same_secret(headers.get(KEY_HEADER, ""), self._keys.get(part, "")):
            await refuse(scope, receive, send, 401, "the key is not that of the owner")
        elif part not in self._applications:
            await refuse(scope, receive, send, 503, "the process starts, or stops")
        else:
            raw = scope["raw_path"].removeprefix(f"/{part}".encode()) or b"/"
            own = {**scope, "path": f"/{rest}", "raw_path": raw}
            if CLIENT_HEADER in headers:
                own["client"] = headers[CLIENT_HEADER], 0
            await self._applications[part](own, receive, send)

    async def _say_how_it_is(self, scope: Any, receive: Any, send: Any) -> None:
        """Alive, and ready as the page has it; a standby is not."""
        page = self._applications.get(PAGE)
        if page is not None:
            await page(scope, receive, send)
            return
        status = 200 if scope["path"] == ALIVE else 503
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        body = json.dumps({"alive": True, "ready": False}).encode()
        await send({"type": "http.response.body", "body": body})


class _Part:
    """A server of ours, which needs no address of its own."""

    def __init__(self, applications: dict[str, Any], name: str) -> None:
        self._applications = applications
        self._name = name

    @property
    def is_serving(self) -> bool:
        return self._name in self._applications

    def listen(self) -> None:
        """The endpoint does already."""

    def serve(self, application: Any) -> None:
        self._applications[self._name] = application

    def close(self) -> None:
        self._applications.pop(self._name, None)
